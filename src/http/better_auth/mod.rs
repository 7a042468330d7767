//! The Better Auth protocol under `/api/auth`, as its clients speak it. What differs from the original, and why,
//! stands in `docs/better-auth.md`.
//!
//! Every request goes the same way, see `call`: the limiter, the route, the body, the origin, the addresses that the
//! browser is to be sent to. What comes after is the endpoint's: its input, then who sent it.

mod access;
mod accounts;
mod answer;
mod call;
mod callback;
mod cookie_cache;
mod cookies;
mod cors;
mod deletion;
mod email;
mod email_otp;
mod endpoints;
mod health;
mod input;
mod jwt;
mod magic_link;
mod mailed;
mod media;
mod multi_session;
mod objects;
mod one_time_token;
mod origin_check;
mod origins;
mod password;
mod rate_limit;
mod session;
mod sign_in;
mod sign_out;
mod sign_up;
mod social;
mod user;

use self::endpoints::Endpoint;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use chrono::TimeDelta;

pub use origins::Origins;
pub use rate_limit::RateLimits;

use super::site::Site;

/// Below the path of the issuer.
const BASE: &str = "/api/auth";

/// What the operator decided about these addresses.
#[derive(Debug, Clone)]
pub struct BetterAuthSettings {
    /// Whether there are any.
    pub enabled: bool,
    /// `better_auth.trusted_origins`.
    pub trusted_origins: Vec<String>,
    /// A use makes a session's life longer when the last that did so is this long ago.
    pub update_age: TimeDelta,
    /// What a mailed link does in a browser that did not ask for it.
    pub links: MailedLinks,
    /// How long a browser is believed without the database; zero: never.
    pub cookie_cache_max_age: TimeDelta,
    /// Whether several users may be logged in in one browser.
    pub multi_session: bool,
    /// Whether answers about a session carry a JWT.
    pub set_auth_jwt: bool,
}

/// What a mailed link does in a browser that did not ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailedLinks {
    /// It shows a page, whose button acts.
    Confirm,
    /// It acts.
    Direct,
}

impl Default for BetterAuthSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            trusted_origins: Vec::new(),
            update_age: TimeDelta::days(1),
            links: MailedLinks::Confirm,
            cookie_cache_max_age: TimeDelta::zero(),
            multi_session: true,
            set_auth_jwt: true,
        }
    }
}

/// Adds the addresses.
pub fn configure(config: &mut web::ServiceConfig, site: &Site) {
    let mut scope = web::scope(&site.path(BASE));
    for (path, endpoints) in endpoints::by_path() {
        let is_there = |endpoint: &&&Endpoint| site.better_auth.enabled || endpoint.is_callback;
        if endpoints.iter().any(|endpoint| is_there(&endpoint)) {
            let mut resource = web::resource(path).default_service(web::to(nothing));
            for endpoint in endpoints {
                resource = resource.route(web::method(endpoint.method()).to(
                    move |request, payload: web::Payload| {
                        call::serve(endpoint, request, payload.into_inner())
                    },
                ));
            }
            scope = scope.service(resource);
        }
    }
    // The limiter answers before anything else, but a script that may read answers must be able to read its own.
    config.service(
        scope
            .default_service(web::to(nothing))
            .wrap(from_fn(rate_limit::before_all))
            .wrap(from_fn(cors::trusted_origins)),
    );
}

/// Unknown addresses and methods alike.
async fn nothing() -> HttpResponse {
    HttpResponse::NotFound().finish()
}
