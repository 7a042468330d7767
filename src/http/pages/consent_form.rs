//! `/consent`.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use super::pending::{self, Pending};
use super::view::{ConsentPage, ResourceView, ScopeView};
use super::{client_view, posted};
use crate::domain::consent::Consent;
use crate::domain::resource::Resource;
use crate::flows::consent;
use crate::flows::sessions::Present;
use crate::http::body::Form;
use crate::http::error;
use crate::http::oauth::authorize::respond;
use crate::http::page_policy::{self, PagePolicy};
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::Visitor;
use crate::oauth::scope::IDENTITY_SCOPES;

/// `GET /consent`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending, present) = match visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let proven = &pending.resumed.proven;
    let resources = match site.provider.registry.resources(&proven.request.resources) {
        Ok(resources) => resources,
        Err(error) => return error::failure_page(&site, &request, &error),
    };
    let resources: Vec<&Resource> = resources.iter().map(|resource| &**resource).collect();
    let html = site.pages.render(&ConsentPage {
        action: pending::link(&site, "/consent", Some(&pending)),
        csrf: visitor.session_csrf(&site),
        client: client_view(&proven.client),
        user_email: present.user.email.clone(),
        scopes: shown_scopes(&pending, &resources),
        resources: resources
            .iter()
            .map(|resource| shown_resource(&pending, resource))
            .collect(),
        switch_url: Some(pending::link(&site, "/login", Some(&pending))),
    });
    let mut answer = page_policy::page(&mut HttpResponse::Ok(), PagePolicy::LeadsElsewhere, html);
    visitor.set_cookies(&site, answer.headers_mut());
    answer
}

/// `POST /consent`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending, present) = match visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let fields = match posted(&site, &request, form) {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    if !visitor.owns_in_session(&site, &request, &fields) {
        return pending::not_own(&site, &request);
    }
    let (proven, browser) = (&pending.resumed.proven, visitor.browser.hash());
    match fields.text("decision") {
        Some("allow") => {
            let given = consent::allow(&site.provider, pending.id, proven, &present, browser, now).await;
            match given {
                Ok(()) => see_other(&pending::after(&site, Some(&pending))),
                Err(error) => error::failure_page(&site, &request, &error),
            }
        }
        Some("deny") => match consent::deny(&site.provider, pending.id, proven, browser).await {
            Ok(response) => respond(&site, &response, Some(proven)),
            Err(error) => error::failure_page(&site, &request, &error),
        },
        _ => see_other(&pending::link(&site, "/consent", Some(&pending))),
    }
}

/// Whoever has no request here has nothing to decide, and whoever is not logged in must be first.
async fn visit(
    site: &Site,
    request: &HttpRequest,
    now: DateTime<Utc>,
) -> Result<(Visitor, Pending, Present), HttpResponse> {
    let (visitor, pending) = pending::visit(site, request, now).await?;
    let pending = pending.ok_or_else(|| see_other(&site.path("/account")))?;
    match visitor.present.clone() {
        Some(present) => Ok((visitor, pending, present)),
        None => Err(see_other(&pending::after(site, Some(&pending)))),
    }
}

/// The scopes that no resource of the request knows, in words where they are the standard's.
fn shown_scopes(pending: &Pending, resources: &[&Resource]) -> Vec<ScopeView> {
    let request = &pending.resumed.proven.request;
    let mut shown: Vec<_> = request
        .scope
        .iter()
        .filter(|scope| !resources.iter().any(|resource| resource.scopes.contains(scope)))
        .map(scope_view)
        .collect();
    // A client's own words have no place here: these are claims that we know.
    let claims = Consent::of(request).claims;
    shown.extend(claims.into_iter().map(|claim| ScopeView {
        title: format!("Your {}", claim.replace('_', " ")).into(),
        description: None,
    }));
    shown
}

fn shown_resource(pending: &Pending, resource: &Resource) -> ResourceView {
    let scope = &pending.resumed.proven.request.scope;
    ResourceView {
        name: resource.name.clone(),
        scopes: scope
            .iter()
            .filter(|token| resource.scopes.contains(token) && !IDENTITY_SCOPES.contains(token))
            .map(scope_view)
            .collect(),
    }
}

/// A scope in words where it is one of the standard's.
pub(super) fn scope_view(scope: &str) -> ScopeView {
    let (title, description) = match scope {
        "openid" => (
            "Know who you are",
            Some("A number that stands for you, and nothing else."),
        ),
        "profile" => ("Your profile", Some("Your name, picture, language and the like.")),
        "email" => ("Your e-mail address", None),
        "address" => ("Your postal address", None),
        "phone" => ("Your phone number", None),
        "offline_access" => (
            "Stay signed in",
            Some("It keeps its access while you are away, until you or it end that."),
        ),
        other => {
            return ScopeView {
                title: other.to_owned().into(),
                description: None,
            };
        }
    };
    ScopeView {
        title: title.into(),
        description: description.map(Into::into),
    }
}
