//! `/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0 §2): a POST arrives without the session's cookie
//! and becomes the GET of the same parameters.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::flows::end_session::{self, EndSession};
use crate::flows::federation;
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::pages::logout::{ask, logged_out, parameters, refused};
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::{Visitor, end_waiting, take_session_cookies};

/// `GET /oauth2/logout`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let fields = match Fields::parse(request.query_string().as_bytes()) {
        Ok(fields) if fields.spoiled().is_empty() => fields,
        _ => return malformed(&site, &request),
    };
    let now = site.provider.now();
    let visitor = match Visitor::read(&site, &request, now).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let parameters = parameters(&fields);
    let present = visitor.present.as_ref();
    match end_session::request(&site.provider, &parameters, present, now).await {
        Ok(EndSession::Done(destination)) => {
            let location = destination.location();
            let onward = match &visitor.present {
                Some(ended) => {
                    federation::logout::onward(&site.provider, ended, location.as_deref(), now).await
                }
                None => Ok(None),
            };
            let mut answer = match onward {
                Ok(onward) => match onward.or(location) {
                    Some(location) => see_other(&location),
                    None => logged_out(&site, destination.client.as_deref()),
                },
                Err(error) => return error::failure_page(&site, &request, &error),
            };
            if visitor.had_session {
                take_session_cookies(&site, answer.headers_mut());
            }
            // Without a session nothing proves that the user wants this.
            if visitor.present.is_some()
                && let Err(failed) = end_waiting(&site, &request, answer.headers_mut(), now).await
            {
                return failed;
            }
            answer
        }
        Ok(EndSession::Ask(destination)) => ask(&site, &visitor, &destination),
        Err(error) => refused(&site, &request, &error),
    }
}

/// `POST /oauth2/logout`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let fields = match form {
        Ok(fields) if fields.spoiled().is_empty() => fields,
        _ => return malformed(&site, &request),
    };
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["id_token_hint", "client_id", "post_logout_redirect_uri", "state"] {
        if let Some(value) = fields.text(name) {
            query.append_pair(name, value);
        }
    }
    see_other(&site.path(&format!("/oauth2/logout?{}", query.finish())))
}

fn malformed(site: &Site, request: &HttpRequest) -> HttpResponse {
    error::page(
        site,
        request,
        StatusCode::BAD_REQUEST,
        "You were not signed out",
        "The application that sent you here made a malformed request.",
        Some("You can sign out on your account page."),
    )
}
