//! The hosted pages: what a browser sees of signup, login, consent, logout, the account, and the links
//! in our mails.
//!
//! `view` has a struct a page and renders it, `assets` what the pages load, `marks` what stands for other providers,
//! `accent` makes the operator's colour readable; none of them knows a request. The other files are the endpoints: each
//! reads a request, asks its flow, and fills in a view.

pub mod accent;
pub mod account;
pub mod asset;
pub mod assets;
pub mod consent_form;
pub mod federated;
pub mod forgot_password;
pub mod login;
pub mod login_link;
pub mod logout;
pub mod mailed;
pub mod marks;
pub mod pending;
pub mod reset_password;
pub mod signup;
pub mod verify_email;
pub mod view;
pub mod visit;

#[cfg(test)]
mod tests;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};

use self::view::ClientView;
use super::body::BodyError;
use super::fields::Fields;
use super::site::Site;
use super::visitor::Visitor;
use crate::domain::client::Client;

/// The application that the user is going to, for a page.
pub fn client_view(client: &Client) -> ClientView {
    ClientView {
        name: client.metadata.client_name.clone(),
        client_uri: client.metadata.client_uri.clone(),
        policy_uri: client.metadata.policy_uri.clone(),
        tos_uri: client.metadata.tos_uri.clone(),
    }
}

/// [`posted`], of a form that anybody may send, if it is this browser's own.
fn posted_by(
    visitor: &Visitor,
    site: &Site,
    request: &HttpRequest,
    form: Result<Fields, BodyError>,
) -> Result<Fields, HttpResponse> {
    let fields = posted(site, request, form)?;
    if visitor.owns(site, request, &fields) {
        Ok(fields)
    } else {
        Err(pending::not_own(site, request))
    }
}

/// The fields of a posted form, each there once; or the page that says that they are not.
fn posted(
    site: &Site,
    request: &HttpRequest,
    form: Result<Fields, BodyError>,
) -> Result<Fields, HttpResponse> {
    match form {
        Ok(fields) if fields.spoiled().is_empty() => Ok(fields),
        Ok(_) => Err(pending::no_form(site, request, StatusCode::BAD_REQUEST)),
        Err(error) => Err(pending::no_form(site, request, error.status())),
    }
}
