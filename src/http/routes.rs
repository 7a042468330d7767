//! The table of addresses. All stand below the path of the issuer, if it has one; the metadata also in the form
//! with that path behind (RFC 8414 §3.1).

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard, web};

use super::body::MAX_BODY;
use super::oauth::authorize;
use super::oauth::{introspect, jwks, logout, metadata, revoke, status_list, token, userinfo};
use super::pages::account::{
    self, again, applications, deletion, email, email_links, export, identities, password, profile,
};
use super::pages::{
    asset, consent_form, federated, forgot_password, login, login_link, logout as logout_page,
    reset_password, signup, verify_email,
};
use super::redirect::see_other;
use super::site::Site;
use super::{better_auth, cors, error};

/// Adds every address of `site`.
pub fn configure(config: &mut web::ServiceConfig, site: &web::Data<Site>) {
    config
        .app_data(site.clone())
        .app_data(web::PayloadConfig::new(MAX_BODY));
    let base = &site.base;
    let at = |path: &str| web::resource(format!("{base}{path}"));
    for address in &site.addresses.metadata {
        config.service(public(web::resource(&**address), read().to(metadata::metadata)));
    }
    config
        .service(public(
            web::resource(&*site.addresses.jwks),
            read().to(jwks::jwks),
        ))
        .service(public(
            at("/.well-known/status-lists/{alg}/{shard}"),
            read().to(status_list::status_list),
        ));
    let for_scripts =
        |methods: &'static str, path: &str| only(methods, at(path)).wrap(from_fn(cors::registered_origins));
    config
        .service(for_scripts("POST", "/oauth2/token").route(web::post().to(token::token)))
        .service(for_scripts("POST", "/oauth2/revoke").route(web::post().to(revoke::revoke)))
        .service(
            for_scripts("GET, POST", "/oauth2/userinfo")
                .route(web::get().to(userinfo::userinfo))
                .route(web::post().to(userinfo::userinfo)),
        );
    let page = |path: &str, read: Route| only("GET, HEAD, POST", at(path)).route(read);
    let mut add = |resource: Resource| {
        config.service(resource);
    };
    add(only("POST", at("/oauth2/introspect")).post(introspect::introspect));
    add(at("/oauth2/authorize").get(authorize::get).post(authorize::post));
    add(at("/oauth2/authorize/{id}").get(authorize::resume));
    add(at("/oauth2/logout").get(logout::get).post(logout::post));
    add(page("/login", read().to(login::get)).post(login::post));
    add(at("/login/continue").post(login::go_on));
    add(only("POST", at("/login/with/{provider}")).post(federated::post));
    add(page("/signup", read().to(signup::get)).post(signup::post));
    add(page("/consent", read().to(consent_form::get)).post(consent_form::post));
    add(page("/logout", read().to(logout_page::get)).post(logout_page::post));
    add(only("GET, HEAD", at("/logout/returned")).route(read().to(logout_page::returned)));
    add(page("/forgot-password", read().to(forgot_password::get)).post(forgot_password::post));
    add(page("/reset-password", read().to(reset_password::get)).post(reset_password::post));
    add(page("/verify-email", read().to(verify_email::get)).post(verify_email::post));
    add(only("POST", at("/verify-email/send")).post(verify_email::send));
    add(page("/login/link", read().to(login_link::get)).post(login_link::post));
    add(only("GET, HEAD", at("/account")).route(read().to(account::get)));
    add(page("/account/again", read().to(again::get)).post(again::post));
    add(page("/account/profile", read().to(profile::get)).post(profile::post));
    add(page("/account/password", read().to(password::get)).post(password::post));
    add(page("/account/email", read().to(email::get)).post(email::post));
    add(only("POST", at("/account/email/send")).post(email::send));
    add(page("/account/email/confirm", read().to(email_links::get_confirm)).post(email_links::confirm));
    add(page("/account/email/verify", read().to(email_links::get_verify)).post(email_links::verify));
    add(page("/account/email/undo", read().to(email_links::get_undo)).post(email_links::undo));
    add(only("GET, HEAD", at("/account/applications")).route(read().to(applications::get)));
    add(only("POST", at("/account/applications/withdraw")).post(applications::withdraw));
    add(only("GET, HEAD", at("/account/identities")).route(read().to(identities::get)));
    add(page("/account/identities/join", read().to(identities::get_join)).post(identities::join));
    add(only("POST", at("/account/identities/add/{provider}")).post(identities::add));
    add(only("POST", at("/account/identities/{id}/remove")).post(identities::remove));
    add(only("POST", at("/account/identities/{id}/profile")).post(identities::profile));
    add(only("GET, HEAD", at("/account/export")).route(read().to(export::get)));
    add(page("/account/delete", read().to(deletion::get)).post(deletion::post));
    add(page("/account/delete/confirm", read().to(deletion::get_confirm)).post(deletion::confirm));
    add(at("/account/sessions/revoke-others").post(account::revoke_others));
    add(at("/account/sessions/{id}/revoke").post(account::revoke));
    add(at("/assets/{file}").route(read().to(asset::get)));
    add(only("GET, HEAD", at("/")).route(read().to(home)));
    better_auth::configure(config, site);
    // Browsers ask for it beside whatever is no page of ours: JSON, and the demo application.
    config.service(web::resource("/favicon.ico").route(read().to(asset::icon)));
}

/// A resource that names its methods to whoever tries another one.
fn only(methods: &'static str, resource: Resource) -> Resource {
    resource.default_service(web::to(move || async move { error::method_not_allowed(methods) }))
}

/// A document that scripts of every origin may read. Most readers of the keys and the metadata never come this far
/// (see `entrance`).
fn public(resource: Resource, read: Route) -> impl HttpServiceFactory + 'static {
    only("GET, HEAD", resource)
        .wrap(cors::anybody())
        .route(read)
        .route(web::method(Method::OPTIONS).to(cors::preflight))
}

/// Methods that only read.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn home(site: web::Data<Site>) -> HttpResponse {
    see_other(&site.path("/account"))
}

/// Whatever no route knows.
pub async fn nothing(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    error::not_found(&site, &request)
}
