//! `/logout`: asks, then ends the session.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::view::{LoggedOutPage, LogoutPage};
use super::{client_view, pending, posted};
use crate::domain::client::Client;
use crate::flows::end_session::{self, Destination, EndSessionError, Parameters};
use crate::flows::{federation, sessions};
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy::{self, PagePolicy};
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::{Visitor, end_waiting, take_session_cookies};

/// `GET /logout`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    match Visitor::read(&site, &request, site.provider.now()).await {
        Ok(visitor) if visitor.present.is_some() => {
            let nowhere = Destination {
                client: None,
                redirect_uri: None,
                state: None,
            };
            ask(&site, &visitor, &nowhere)
        }
        Ok(_) => logged_out(&site, None),
        Err(answer) => answer,
    }
}

/// `POST /logout`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let now = site.provider.now();
    let visitor = match Visitor::read(&site, &request, now).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let fields = match posted(&site, &request, form) {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    if visitor.present.is_some() && !visitor.owns_in_session(&site, &request, &fields) {
        return pending::not_own(&site, &request);
    }
    if fields.text("logout") != Some("yes") {
        return see_other(&site.path("/account"));
    }
    let destination = match end_session::confirmed(&site.provider, &parameters(&fields)) {
        Ok(destination) => destination,
        Err(error) => return refused(&site, &request, &error),
    };
    if let Some(session) = visitor.session()
        && let Err(error) = sessions::log_out(&site.provider, session, now).await
    {
        return error::failure_page(&site, &request, &error);
    }
    let location = destination.location();
    let onward = match &visitor.present {
        Some(ended) => federation::logout::onward(&site.provider, ended, location.as_deref(), now).await,
        None => Ok(None),
    };
    let mut answer = match onward {
        Ok(onward) => see_other(&onward.or(location).unwrap_or_else(|| site.path("/logout"))),
        Err(error) => return error::failure_page(&site, &request, &error),
    };
    take_session_cookies(&site, answer.headers_mut());
    // Without a session the form was nobody's in particular.
    if visitor.present.is_some()
        && let Err(failed) = end_waiting(&site, &request, answer.headers_mut(), now).await
    {
        return failed;
    }
    answer
}

/// `GET /logout/returned`: the browser comes from the provider where its session ended too, and goes where it was going.
pub async fn returned(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    let state = query.text("state").unwrap_or_default();
    match federation::logout::returned(&site.provider, state, site.provider.now()) {
        Some(Some(location)) => see_other(&location),
        Some(None) | None => see_other(&site.path("/logout")),
    }
}

/// The page that asks. What the client wants done afterwards travels in the form, and is proven again.
pub fn ask(site: &Site, visitor: &Visitor, destination: &Destination) -> HttpResponse {
    let named = |name: &str, value: Option<String>| value.map(|value| (name.to_owned(), value));
    let client = destination.client.as_deref();
    let uri = destination
        .redirect_uri
        .as_ref()
        .map(|uri| uri.as_str().to_owned());
    let hidden = [
        named("client_id", client.map(|client| client.id.to_string())),
        named("post_logout_redirect_uri", uri),
        named("state", destination.state.clone()),
    ];
    let email = visitor.present.as_ref().map(|present| present.user.email.clone());
    let html = site.pages.render(&LogoutPage {
        action: site.path("/logout"),
        csrf: visitor.session_csrf(site),
        client: client.map(client_view),
        user_email: email.unwrap_or_default(),
        hidden: hidden.into_iter().flatten().collect(),
    });
    let mut answer = page_policy::page(&mut HttpResponse::Ok(), PagePolicy::LeadsElsewhere, html);
    visitor.set_cookies(site, answer.headers_mut());
    answer
}

/// The page for whoever is logged out.
pub fn logged_out(site: &Site, client: Option<&Client>) -> HttpResponse {
    let html = site.pages.render(&LoggedOutPage {
        client: client.map(client_view),
    });
    page_policy::page(&mut HttpResponse::Ok(), PagePolicy::Own, html)
}

/// The parameters of a logout, from a query or from the form of the page that asked.
pub fn parameters(fields: &Fields) -> Parameters {
    Parameters {
        id_token_hint: fields.secret("id_token_hint"),
        client_id: fields.owned("client_id"),
        post_logout_redirect_uri: fields.owned("post_logout_redirect_uri"),
        state: fields.owned("state"),
    }
}

/// A logout that cannot be believed: nobody is logged out or sent anywhere.
pub fn refused(site: &Site, request: &HttpRequest, error: &EndSessionError) -> HttpResponse {
    let message = match error {
        EndSessionError::Storage(error) => return error::failure_page(site, request, error),
        EndSessionError::Registry(error) => return error::failure_page(site, request, error),
        EndSessionError::Hint => "The application named a sign-in that is not its own.",
        EndSessionError::Client => "The application that sent you here is not known here.",
        EndSessionError::RedirectUri => {
            "The application wants you sent back to an address that it has not registered."
        }
    };
    tracing::info!(reason = %error, "a logout was refused");
    error::page(
        site,
        request,
        StatusCode::BAD_REQUEST,
        "You were not signed out",
        message,
        Some("You can sign out on your account page."),
    )
}
