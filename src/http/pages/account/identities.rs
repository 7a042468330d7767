//! `/account/identities`: the other providers that a user can come by.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::federated::{self, Back, buttons, join_of, not_begun, sent};
use super::super::pending;
use super::super::view::{
    ButtonKind, ButtonView, FactView, IdentitiesPage, IdentityView, LinkView, StepForm, StepPage, Text,
};
use super::super::visit::{Member, either};
use crate::domain::federation::{Identity, Intent, Way};
use crate::domain::ids::IdentityId;
use crate::flows::accounts::has_password;
use crate::flows::federation::arrive::Outcome;
use crate::flows::federation::begin::{Wish, begin};
use crate::flows::federation::identities::{self, UnlinkOutcome};
use crate::flows::federation::{callback, join};
use crate::flows::login::LoginError;
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::redirect::see_other;
use crate::http::site::Site;

const PATH: &str = "/account/identities";

/// `GET /account/identities`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    let user = &member.present.user;
    let failed = |error| member.failed(&LoginError::from(error));
    let linked = identities::list(&site.provider, user).await.map_err(failed)?;
    let has_password = has_password(&site.provider, user).await.map_err(failed)?;
    let removable = has_password || linked.len() > 1;
    let others = site.provider.federation.entries().iter();
    let others = others.filter(|entry| linked.iter().all(|identity| identity.provider != entry.id()));
    let page = IdentitiesPage {
        csrf: member.visitor.session_csrf(site),
        notice: notice(request),
        alert: federated::sentence(site, request),
        add: buttons(site, others, &format!("{PATH}/add"), None, None),
        identities: linked
            .iter()
            .map(|identity| view(site, identity, removable))
            .collect(),
        has_password,
        password_url: site.path("/account/password"),
        links: vec![LinkView::new("Back to your account", site.path("/account"))],
    };
    Ok(member.show(StatusCode::OK, &page))
}

fn view(site: &Site, identity: &Identity, removable: bool) -> IdentityView {
    let entry = site.provider.federation.entry(&identity.provider);
    let action = |what: &str| site.path(&format!("{PATH}/{}/{what}", identity.id));
    let told = &identity.profile;
    IdentityView {
        label: entry.map_or_else(|| identity.provider.clone(), |entry| entry.label.clone()),
        icon: site.pages.provider_icon(&identity.provider),
        who: told
            .email
            .clone()
            .or_else(|| told.name.clone())
            .unwrap_or_default(),
        since: identity.created_at,
        last_used: identity.last_used_at,
        remove_action: removable.then(|| action("remove")),
        profile_action: (told.name.is_some() || told.picture.is_some()).then(|| action("profile")),
    }
}

fn notice(request: &HttpRequest) -> Option<Text> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    match query.text("done")? {
        "linked" => Some("The two are connected: you can sign in with either.".into()),
        "removed" => Some("The provider is disconnected.".into()),
        "profile" => Some("Name and picture are taken over.".into()),
        "last" => {
            Some("It is your only way to sign in. Set a password first, or connect another provider.".into())
        }
        _ => None,
    }
}

/// `POST /account/identities/add/{provider}`: from a fresh login, since whoever comes back is in the account from then
/// on.
pub async fn add(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(added(&site, &request, form).await)
}

async fn added(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, _) = Member::of_form(site, request, form).await?;
    let id = request.match_info().get("provider").unwrap_or_default();
    let Some(entry) = site.provider.federation.entry(id) else {
        return Err(error::not_found(site, request));
    };
    member.is_fresh("identities")?;
    let back = Back {
        authorization_request: None,
        join: None,
        then: None,
        provider_id: entry.id(),
    };
    let way = Way {
        intent: Intent::Link {
            session: *member.present.session.id.as_uuid(),
            user: *member.present.user.id.as_uuid(),
        },
        face: back.face(),
        again: false,
    };
    let wish = Wish::default();
    let begun = begin(&site.provider, entry, way, &wish, &member.browser(), member.now).await;
    Ok(match begun {
        Ok(url) => sent(site, &member.visitor, url.as_str()),
        Err(error) => not_begun(site, request, error, || {
            see_other(&site.path(&format!("{PATH}?failed={id}&why=unavailable")))
        }),
    })
}

/// `POST /account/identities/{id}/remove`.
pub async fn remove(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(removed(&site, &request, form).await)
}

async fn removed(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, _) = Member::of_form(site, request, form).await?;
    member.is_fresh("identities")?;
    let id = identity_of(site, request)?;
    let outcome = identities::unlink(&site.provider, &member.present.user, id).await;
    Ok(match outcome.map_err(|error| member.failed(&error.into()))? {
        UnlinkOutcome::Last => see_other(&site.path(&format!("{PATH}?done=last"))),
        // Gone is gone, whichever click it was.
        UnlinkOutcome::Unlinked | UnlinkOutcome::Unknown => {
            see_other(&site.path(&format!("{PATH}?done=removed")))
        }
    })
}

/// `POST /account/identities/{id}/profile`.
pub async fn profile(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(taken_over(&site, &request, form).await)
}

async fn taken_over(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, _) = Member::of_form(site, request, form).await?;
    let id = identity_of(site, request)?;
    identities::take_over_profile(&site.provider, &member.present.user, id, member.now)
        .await
        .map_err(|error| member.failed(&error.into()))?;
    Ok(see_other(&site.path(&format!("{PATH}?done=profile"))))
}

fn identity_of(site: &Site, request: &HttpRequest) -> Result<IdentityId, HttpResponse> {
    let id = request.match_info().get("id").unwrap_or_default();
    id.parse().map_err(|_| error::not_found(site, request))
}

/// `GET /account/identities/join`: whether who came from a provider is who is logged in.
pub async fn get_join(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(asked(&site, &request).await)
}

async fn asked(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    member.is_fresh("identities")?;
    let onward = onward(site, request, &member).await?;
    let state = join_of(request).and_then(|state| callback::parse_state(&state));
    let waiting = match &state {
        Some(state) => {
            let browser = member.visitor.browser.hash();
            let found = join::find(&site.provider, state, browser, member.now).await;
            found.map_err(|error| member.failed(&error.into()))?
        }
        None => None,
    };
    let (Some(waiting), Some(state)) = (waiting, state) else {
        return Ok(see_other(&onward));
    };
    let person = &waiting.arrival.person;
    let label = &waiting.entry.label;
    let page = StepPage {
        title: format!("Connect {label}?").into(),
        lead: format!("From then on you can sign in to this account with {label} too.").into(),
        client: None,
        notice: None,
        facts: vec![
            FactView::text("Your account here", &*member.present.user.email),
            FactView {
                label: format!("Your account at {label}").into(),
                ..FactView::text(
                    "",
                    person
                        .email
                        .as_deref()
                        .or(person.name.as_deref())
                        .unwrap_or_default(),
                )
            },
        ],
        form: Some(StepForm {
            hidden: vec![("state".to_owned(), state.expose().to_owned())],
            buttons: vec![
                ButtonView::answer("Connect", "yes", ButtonKind::Main),
                ButtonView::answer("Not now", "no", ButtonKind::Quiet),
            ],
            ..member.form(&with_request(request, &format!("{PATH}/join")))
        }),
        links: Vec::new(),
    };
    Ok(member.show(StatusCode::OK, &page))
}

/// `POST /account/identities/join`.
pub async fn join(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(joined(&site, &request, form).await)
}

async fn joined(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    member.is_fresh("identities")?;
    let onward = onward(site, request, &member).await?;
    let state = fields.text("state").and_then(callback::parse_state);
    let Some(state) = state.filter(|_| fields.text("answer") == Some("yes")) else {
        return Ok(see_other(&onward));
    };
    let browser = member.visitor.browser.hash();
    let outcome = join::join(&site.provider, &state, browser, &member.present, member.now).await;
    let outcome = outcome.map_err(|error| member.failed(&error.into()))?;
    Ok(match outcome {
        Some(Outcome::Refused(_)) => see_other(&site.path(&format!("{PATH}?why=elsewhere"))),
        _ => see_other(&onward),
    })
}

/// Where the user goes on to: the request that waits, or the identities.
async fn onward(site: &Site, request: &HttpRequest, member: &Member<'_>) -> Result<String, HttpResponse> {
    let (_, waiting) = pending::visit_if_any(site, request, member.now).await?;
    Ok(match waiting {
        Some(waiting) => pending::after(site, Some(&waiting)),
        None => site.path(&format!("{PATH}?done=linked")),
    })
}

/// A path with the request of the present address.
fn with_request(request: &HttpRequest, path: &str) -> String {
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    match query
        .text("request")
        .filter(|id| uuid::Uuid::try_parse(id).is_ok())
    {
        Some(id) => format!("{path}?request={id}"),
        None => path.to_owned(),
    }
}
