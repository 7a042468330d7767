//! `/account/applications`: what the user let applications have, and its end.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::client_view;
use super::super::consent_form::scope_view;
use super::super::view::{ApplicationView, ApplicationsPage, ClientView, LinkView, ScopeView};
use super::super::visit::{Member, either};
use crate::domain::consent::GivenConsent;
use crate::domain::ids::ClientId;
use crate::flows::consent;
use crate::flows::login::LoginError;
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::redirect::see_other;
use crate::http::site::Site;

/// `GET /account/applications`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    let given = consent::list(&site.provider, &member.present).await;
    let given = given.map_err(|error| member.failed(&LoginError::from(error)))?;
    let applications: Result<Vec<_>, _> = given.iter().map(|one| application(&member, one)).collect();
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    let page = ApplicationsPage {
        action: site.path("/account/applications/withdraw"),
        csrf: member.visitor.session_csrf(site),
        notice: (query.text("done") == Some("withdrawn")).then(|| "The application is disconnected.".into()),
        applications: applications?,
        links: vec![LinkView::new("Back to your account", site.path("/account"))],
    };
    Ok(member.show(StatusCode::OK, &page))
}

/// `POST /account/applications/withdraw`.
pub async fn withdraw(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(withdrawn(&site, &request, form).await)
}

async fn withdrawn(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let client = fields
        .text("client_id")
        .and_then(|id| id.parse::<ClientId>().ok());
    if let Some(client) = client {
        consent::withdraw(&site.provider, &member.present, &client, member.now)
            .await
            .map_err(|error| member.failed(&LoginError::from(error)))?;
    }
    Ok(see_other(&site.path("/account/applications?done=withdrawn")))
}

fn application(member: &Member<'_>, given: &GivenConsent) -> Result<ApplicationView, HttpResponse> {
    let client = member.site.provider.registry.client(&given.client);
    let client = client.map_err(|error| error::failure_page(member.site, member.request, &error))?;
    let gone = || ClientView {
        name: given.client.to_string(),
        ..ClientView::default()
    };
    let claims = given.consent.claims.iter().map(|claim| ScopeView {
        title: format!("Your {}", claim.replace('_', " ")).into(),
        description: None,
    });
    let resources = given.consent.resources.iter();
    Ok(ApplicationView {
        client: client.as_deref().map_or_else(gone, client_view),
        client_id: given.client.to_string(),
        since: given.granted_at,
        scopes: given
            .consent
            .scopes
            .iter()
            .map(scope_view)
            .chain(claims)
            .collect(),
        // The others are an API and one of its scopes, which stands among the scopes.
        resources: resources.filter(|text| !text.contains(' ')).cloned().collect(),
    })
}
