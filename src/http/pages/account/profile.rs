//! `/account/profile`: name and picture.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use url::Url;

use super::super::view::{LinkView, ProfilePage, Text};
use super::super::visit::{Member, either};
use crate::domain::user::{MAX_NAME_LENGTH, parse_name};
use crate::flows::accounts::profile::{self, Change, ProfileOutcome};
use crate::flows::login::LoginError;
use crate::http::body::Form;
use crate::http::redirect::see_other;
use crate::http::site::Site;

/// The longest address of a picture in bytes, as the profile takes it.
const MAX_PICTURE: usize = 1024;

/// `GET /account/profile`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    let user = &member.present.user;
    let picture = user.profile.as_map().get("picture");
    let shown = Shown {
        name: user.name.clone(),
        picture: picture
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned(),
        ..Shown::default()
    };
    Ok(show(&member, StatusCode::OK, shown))
}

/// `POST /account/profile`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(changed(&site, &request, form).await)
}

async fn changed(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let typed = fields.text("name").unwrap_or_default();
    let picture = fields
        .text("picture")
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let name = parse_name(typed);
    let shown = |name_is_wrong: bool, picture_is_wrong: bool| Shown {
        name: typed.to_owned(),
        picture: picture.unwrap_or_default().to_owned(),
        name_error: name_is_wrong
            .then(|| format!("Enter your name, {MAX_NAME_LENGTH} characters at most.").into()),
        picture_error: picture_is_wrong
            .then(|| "Enter an address that begins with https://, or leave it empty.".into()),
    };
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let picture_is_wrong = picture.is_some_and(|picture| !is_picture(picture));
    let Some(name) = name.filter(|_| !picture_is_wrong) else {
        return Ok(show(
            &member,
            status,
            shown(parse_name(typed).is_none(), picture_is_wrong),
        ));
    };
    let change = Change {
        name: Some(name),
        picture: Some(picture.map(str::to_owned)),
    };
    let outcome = profile::change(&site.provider, &member.present.user, change, member.now).await;
    Ok(
        match outcome.map_err(|error| member.failed(&LoginError::from(error)))? {
            ProfileOutcome::Changed(_) => member.done("name"),
            ProfileOutcome::Picture => show(&member, status, shown(false, true)),
            ProfileOutcome::Gone => see_other(&site.path("/login")),
        },
    )
}

/// Applications put it into their pages: it must load something from the web, and run nothing.
fn is_picture(text: &str) -> bool {
    let is_web = |url: Url| {
        matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none()
    };
    text.len() <= MAX_PICTURE && !text.contains(char::is_control) && Url::parse(text).is_ok_and(is_web)
}

#[derive(Default)]
struct Shown {
    name: String,
    picture: String,
    name_error: Option<Text>,
    picture_error: Option<Text>,
}

fn show(member: &Member<'_>, status: StatusCode, shown: Shown) -> HttpResponse {
    let page = ProfilePage {
        action: member.site.path("/account/profile"),
        csrf: member.visitor.session_csrf(member.site),
        name: shown.name,
        picture: shown.picture,
        name_error: shown.name_error,
        picture_error: shown.picture_error,
        links: vec![LinkView::new(
            "Back to your account",
            member.site.path("/account"),
        )],
    };
    member.show(status, &page)
}
