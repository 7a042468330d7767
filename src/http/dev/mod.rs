//! What `signet dev` adds under `/dev/`: the demo application, the demo API that it calls, and the
//! development mailbox. `signet serve` has none of it.

mod demo_api;
mod demo_app;
mod mailbox;

use std::sync::Arc;

use actix_web::web;
use bytes::Bytes;

use crate::clock::Clock;
use crate::mail::mailbox::Mailbox;

/// What the pages and the API need.
#[derive(Clone)]
pub struct DevSite {
    /// The issuer.
    pub issuer: String,
    /// The JWKS document as it is published at this moment: all that the demo API knows of the provider.
    pub jwks: Arc<dyn Fn() -> Bytes + Send + Sync>,
    /// Mail that was not sent.
    pub mailbox: Arc<Mailbox>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The table of `/dev/`.
pub fn configure(config: &mut web::ServiceConfig, site: DevSite) {
    config
        .app_data(web::Data::new(site))
        .service(web::redirect("/dev", "/dev/"))
        .route("/dev/", web::get().to(demo_app::page))
        .route("/dev/callback", web::get().to(demo_app::page))
        .route("/dev/demo.js", web::get().to(demo_app::script))
        .route("/dev/demo.css", web::get().to(demo_app::style))
        .route("/dev/oidc-client-ts.js", web::get().to(demo_app::library))
        .route("/dev/licence.txt", web::get().to(demo_app::licence))
        .route("/dev/api/me", web::get().to(demo_api::me))
        .route("/dev/mailbox", web::get().to(mailbox::page))
        .route("/dev/mailbox.json", web::get().to(mailbox::json))
        .route("/dev/mailbox/{id}", web::get().to(mailbox::html));
}
