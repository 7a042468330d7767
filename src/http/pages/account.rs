//! `/account`: who is logged in, and where; and, a file each, what can be changed.

pub mod again;
pub mod applications;
pub mod deletion;
pub mod email;
pub mod email_links;
pub mod export;
pub mod identities;
pub mod password;
pub mod profile;

use actix_web::{HttpRequest, HttpResponse, web};

use super::view::{AccountPage, LinkView, SessionView, Text};
use super::{pending, posted};
use crate::domain::device_name::device_name;
use crate::domain::ids::SessionId;
use crate::flows::sessions::{self, Present};
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::Visitor;

/// `GET /account`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let now = site.provider.now();
    let visitor = match Visitor::read(&site, &request, now).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let Some(present) = &visitor.present else {
        return see_other(&site.path("/login"));
    };
    let listed = match sessions::list(&site.provider, present, now).await {
        Ok(listed) => listed,
        Err(error) => return error::failure_page(&site, &request, &error),
    };
    let shown = listed.into_iter().map(|session| SessionView {
        id: session.id.to_string(),
        device: device_name(session.user_agent.as_deref().unwrap_or_default()),
        last_used: session.last_used_at,
        created: session.created_at,
        current: session.id == present.session.id,
        ip: session.ip_address,
        revoke_action: site.path(&format!("/account/sessions/{}/revoke", session.id)),
    });
    let mut shown: Vec<_> = shown.collect();
    // People look for the browser before them first; the others follow as they were used.
    shown.sort_by_key(|session| !session.current);
    let html = site.pages.render(&AccountPage {
        csrf: visitor.session_csrf(&site),
        notice: notice(&request),
        name: present.user.name.clone(),
        email: present.user.email.clone(),
        email_verified: present.user.email_verified,
        verify_action: (!present.user.email_verified && site.provider.settings.mail)
            .then(|| site.path("/account/email/send")),
        settings: settings(&site),
        sessions: shown,
        revoke_others_action: site.path("/account/sessions/revoke-others"),
        logout_action: site.path("/logout"),
    });
    let mut answer = page_policy::page(&mut HttpResponse::Ok(), pending::policy(&site, None), html);
    visitor.set_cookies(&site, answer.headers_mut());
    answer
}

/// `POST /account/sessions/{id}/revoke`.
pub async fn revoke(
    request: HttpRequest,
    site: web::Data<Site>,
    id: web::Path<String>,
    form: Form,
) -> HttpResponse {
    let Ok(id) = id.parse::<SessionId>() else {
        return error::not_found(&site, &request);
    };
    let present = match own_form(&site, &request, form).await {
        Ok(present) => present,
        Err(answer) => return answer,
    };
    match sessions::revoke(&site.provider, &present, id, site.provider.now()).await {
        Ok(_) => see_other(&site.path("/account?ended=one")),
        Err(error) => error::failure_page(&site, &request, &error),
    }
}

/// `POST /account/sessions/revoke-others`.
pub async fn revoke_others(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    let present = match own_form(&site, &request, form).await {
        Ok(present) => present,
        Err(answer) => return answer,
    };
    match sessions::revoke_others(&site.provider, &present, site.provider.now()).await {
        Ok(_) => see_other(&site.path("/account?ended=others")),
        Err(error) => error::failure_page(&site, &request, &error),
    }
}

/// What has just been done, for whoever does not see that a line is gone. The address chooses among sentences of
/// ours and says nothing itself.
fn notice(request: &HttpRequest) -> Option<Text> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    let text = match (query.text("ended"), query.text("done")) {
        (Some("one"), _) => "The session has ended.",
        (Some("others"), _) => "All other sessions have ended.",
        (_, Some("name")) => "Name and picture are saved.",
        (_, Some("password")) => "Your password is changed.",
        (_, Some("sent")) => "We have mailed you a link. Open it within an hour.",
        (_, Some("verified")) => "Your e-mail address is confirmed.",
        (_, Some("export")) => "Thank you. You can download your data now.",
        _ => return None,
    };
    Some(text.into())
}

/// What can be changed, as far as the operator lets anybody.
fn settings(site: &Site) -> Vec<LinkView> {
    let link = |text, path| LinkView::new(text, site.path(path));
    let may = &site.provider.settings;
    let mut links = vec![
        link("Change name and picture", "/account/profile"),
        link("Change password", "/account/password"),
    ];
    if !site.provider.federation.entries().is_empty() {
        links.push(link("Ways to sign in", "/account/identities"));
    }
    if may.accounts.change_email && may.mail {
        links.push(link("Change e-mail address", "/account/email"));
    }
    links.push(link("Connected applications", "/account/applications"));
    links.push(link("Download your data", "/account/export"));
    if may.accounts.deletion {
        links.push(link("Delete account", "/account/delete"));
    }
    links
}

/// Who sent a form of the account page, if it is their own.
async fn own_form(site: &Site, request: &HttpRequest, Form(form): Form) -> Result<Present, HttpResponse> {
    let visitor = Visitor::read(site, request, site.provider.now()).await?;
    let fields = posted(site, request, form)?;
    if visitor.present.is_some() && !visitor.owns_in_session(site, request, &fields) {
        return Err(pending::not_own(site, request));
    }
    visitor.present.ok_or_else(|| see_other(&site.path("/login")))
}
