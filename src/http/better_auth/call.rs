//! One request on its way to its endpoint, and what its answer carries whatever it comes to: a session that was
//! looked up is renewed or taken away, even where the rest is refused.

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use serde_json::{Map, Value};

use super::access::Held;
use super::answer::{ApiError, Outcome};
use super::endpoints::Endpoint;
use super::media::{self, Body};
use super::{input, origin_check};
use crate::http::cookies::{CookieHeaders, Cookies};
use crate::http::site::Site;

/// What an endpoint does.
pub type Work = for<'a> fn(&'a mut Call) -> LocalBoxFuture<'a, Outcome>;

/// A request.
pub struct Call {
    /// The site.
    pub site: web::Data<Site>,
    /// The request.
    pub request: HttpRequest,
    /// When it came.
    pub now: DateTime<Utc>,
    /// What its body said.
    pub body: Body,
    /// What its query said.
    pub query: Map<String, Value>,
    /// Its cookies, as they came.
    pub cookies: CookieHeaders,
    /// Who sent it, once somebody asked.
    pub(super) held: Option<Option<Held>>,
    headers: HeaderMap,
}

impl Call {
    /// Adds a header to whatever is answered.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.append(name, value);
    }

    /// Sets a header of whatever is answered.
    pub fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The cookies that have nothing to do with this protocol.
    pub fn own_cookies(&self) -> Cookies {
        Cookies::read(&self.request, &self.site)
    }

    /// Asked by browsers, a login is its own page's.
    ///
    /// # Errors
    /// When another page asks.
    pub fn is_no_login_by_another_page(&self) -> Result<(), ApiError> {
        let origins = &self.site.better_auth_origins;
        origin_check::no_page_elsewhere_logs_in(&self.request, &self.cookies, origins)
    }
}

/// Serves a request whose route was found.
pub async fn serve(endpoint: &'static Endpoint, request: HttpRequest, payload: Payload) -> HttpResponse {
    let site = request
        .app_data::<web::Data<Site>>()
        .expect("the routes are a site's")
        .clone();
    let body = match endpoint.method() {
        Method::POST => media::read(&request, payload, endpoint.media).await,
        _ => Ok(None),
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return error.respond(),
    };
    let mut call = Call {
        now: site.provider.now(),
        query: input::query(request.query_string()),
        cookies: CookieHeaders::of(&request),
        site,
        request,
        body,
        held: None,
        headers: HeaderMap::new(),
    };
    let outcome = match comes_rightly(endpoint, &call) {
        Ok(()) => (endpoint.work)(&mut call).await,
        Err(error) => Err(error),
    };
    let mut answer = outcome.unwrap_or_else(|error| error.respond());
    for (name, value) in call.headers {
        answer.headers_mut().append(name, value);
    }
    answer
}

/// What is asked of every request before its endpoint sees it.
fn comes_rightly(endpoint: &Endpoint, call: &Call) -> Result<(), ApiError> {
    let origins = &call.site.better_auth_origins;
    if endpoint.is_callback {
        return Ok(());
    }
    if endpoint.method() == Method::POST {
        origin_check::cookies_come_from_trusted_pages(&call.request, &call.cookies, origins)?;
        origin_check::targets_lead_home(&call.body, origins)?;
        return origin_check::query_targets_lead_home(&call.query, origins);
    }
    if endpoint.redirects {
        origin_check::query_targets_lead_home(&call.query, origins)?;
    }
    Ok(())
}
