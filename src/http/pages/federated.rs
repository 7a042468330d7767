//! Signing in through another provider, as the pages do it: the buttons, `POST /login/with/{provider}`, and what becomes
//! of a browser that comes back.
//!
//! Whatever goes wrong leads back to the page that the user knows, with a sentence about it and every other way in; the
//! authorization request waits meanwhile.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use url::form_urlencoded;
use uuid::Uuid;

use super::account::again;
use super::pending::{self, Pending};
use super::view::{ProviderView, Text};
use super::visit::{Visit, either};
use crate::domain::federation::{Face, Intent, Way};
use crate::domain::ids::AuthorizationRequestId;
use crate::flows::federation::Entry;
use crate::flows::federation::arrive::{Outcome, Refusal};
use crate::flows::federation::begin::{BeginError, Wish, begin};
use crate::flows::federation::callback::{End, Failure, Finished, parse_state};
use crate::flows::login;
use crate::http::body::Form;
use crate::http::cookies::Cookies;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::{Visitor, set_login_cookies};

/// The buttons of a page, each a form of its own, below the page's main one. `path` stands before the provider's id.
pub fn buttons<'a>(
    site: &Site,
    entries: impl Iterator<Item = &'a Entry>,
    path: &str,
    pending: Option<&Pending>,
    join: Option<&str>,
) -> Vec<ProviderView> {
    entries
        .map(|entry| ProviderView {
            label: entry.label.clone(),
            icon: site.pages.provider_icon(entry.id()),
            action: with_join(
                &pending::link(site, &format!("{path}/{}", entry.id()), pending),
                join,
            ),
        })
        .collect()
}

/// `address` with the state of an arrival that waits to join an account.
pub fn with_join(address: &str, join: Option<&str>) -> String {
    match join {
        Some(join) => {
            let separator = if address.contains('?') { '&' } else { '?' };
            format!("{address}{separator}join={join}")
        }
        None => address.to_owned(),
    }
}

/// The state in the address of a page that goes on to a joining. What cannot be one is passed over.
pub fn join_of(request: &HttpRequest) -> Option<String> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    let state = query.text("join")?;
    parse_state(state).map(|_| state.to_owned())
}

/// `POST /login/with/{provider}`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(posted(&site, &request, form).await)
}

async fn posted(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, _) = Visit::of_form(site, request, form).await?;
    let id = request.match_info().get("provider").unwrap_or_default();
    let Some(entry) = site.provider.federation.entry(id) else {
        return Err(error::not_found(site, request));
    };
    let join = join_of(request);
    Ok(set_out(
        site,
        request,
        &visit.visitor,
        visit.pending.as_ref(),
        entry,
        join,
        visit.now,
    )
    .await)
}

/// Sends the browser to a provider, to sign in.
pub async fn set_out(
    site: &Site,
    request: &HttpRequest,
    visitor: &Visitor,
    pending: Option<&Pending>,
    entry: &Entry,
    join: Option<String>,
    now: DateTime<Utc>,
) -> HttpResponse {
    let back = Back {
        authorization_request: pending.map(|pending| *pending.id.as_uuid()),
        join,
        then: Fields::parse(request.query_string().as_bytes())
            .ok()
            .and_then(|query| query.owned("for")),
        provider_id: entry.id(),
    };
    let asked = pending.map(|pending| &pending.resumed.proven.request);
    let wish = Wish {
        login_hint: pending.and_then(Pending::login_hint),
        ..Wish::default()
    };
    let way = Way {
        intent: Intent::SignIn,
        face: back.face(),
        // Whoever is asked to prove once more who they are is to do it there (OpenID Connect Core §3.1.2.1).
        again: asked.is_some_and(|asked| asked.prompt.login || asked.max_age.is_some())
            || visitor.present.is_some(),
    };
    let browser = visitor.browser(site, request);
    match begin(&site.provider, entry, way, &wish, &browser, now).await {
        Ok(url) => sent(site, visitor, url.as_str()),
        Err(error) => not_begun(site, request, error, || {
            see_other(&back.failed(site, "unavailable"))
        }),
    }
}

/// The browser goes to a provider, and is known when it comes back.
pub fn sent(site: &Site, visitor: &Visitor, url: &str) -> HttpResponse {
    let mut answer = see_other(url);
    visitor.set_cookies(site, answer.headers_mut());
    answer
}

/// The answer to a browser that cannot be sent; `failed` is the way back to the page.
pub fn not_begun(
    site: &Site,
    request: &HttpRequest,
    error: BeginError,
    failed: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    match error {
        BeginError::TooMany(too_many) => error::too_many_page(site, request, too_many),
        BeginError::Storage(error) => error::failure_page(site, request, &error),
        BeginError::Upstream(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a browser cannot be sent to a provider"
            );
            failed()
        }
    }
}

/// Where a browser goes that comes back from a provider.
#[derive(Debug)]
pub struct Back<'a> {
    /// The authorization request that goes on.
    pub authorization_request: Option<Uuid>,
    /// Another arrival, which waits to join the account.
    pub join: Option<String>,
    /// The page of the account that asked for a fresh login, by its word.
    pub then: Option<String>,
    /// The provider.
    pub provider_id: &'a str,
}

impl Back<'_> {
    /// As it is stored.
    pub fn face(&self) -> Face {
        Face::Pages {
            authorization_request: self.authorization_request,
            join: self.join.clone(),
            then: self.then.clone(),
        }
    }

    fn link(&self, site: &Site, path: &str, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        if let Some(id) = self.authorization_request {
            query.append_pair("request", &id.to_string());
        }
        if let Some(join) = &self.join {
            query.append_pair("join", join);
        }
        site.path(&format!("{path}?{}", query.finish()))
    }

    /// Where a user goes who is in: to who waits to join the account, or back to the request, or to the account.
    fn entered(&self, site: &Site) -> String {
        match self.authorization_request {
            _ if self.join.is_some() => self.link(site, "/account/identities/join", &[]),
            Some(id) => site.path(&format!("/oauth2/authorize/{id}")),
            None => site.path(again::page_of(self.then.as_deref()).1),
        }
    }

    /// The page that the user set out from, with a sentence about what went wrong.
    pub fn failed(&self, site: &Site, why: &str) -> String {
        let what = [("failed", self.provider_id), ("why", why)];
        match &self.then {
            Some(word) => self.link(site, "/account/again", &[("for", word), what[0], what[1]]),
            None => self.link(site, "/login", &what),
        }
    }
}

/// Goes on with a browser that came back.
pub async fn finish(
    site: &Site,
    request: &HttpRequest,
    back: &Back<'_>,
    finished: Finished,
    now: DateTime<Utc>,
) -> HttpResponse {
    let links = finished
        .way
        .is_some_and(|way| matches!(way.intent, Intent::Link { .. }));
    let failed = |why: &str| {
        if links {
            let id = back.provider_id;
            see_other(&site.path(&format!("/account/identities?failed={id}&why={why}")))
        } else {
            see_other(&back.failed(site, why))
        }
    };
    match finished.end {
        End::Arrived(Outcome::LoggedIn { logged_in, .. }) => {
            let Some(browser) = Cookies::read(request, site).browser else {
                return failed("state");
            };
            let id = back.authorization_request.map(AuthorizationRequestId::from);
            let noted = login::note(&site.provider, id, browser.hash(), logged_in.session.id, now).await;
            if let Err(error) = noted {
                return error::failure_page(site, request, &error);
            }
            let mut answer = see_other(&back.entered(site));
            set_login_cookies(site, &logged_in, answer.headers_mut());
            answer
        }
        End::Arrived(Outcome::Linked) => see_other(&site.path("/account/identities?done=linked")),
        End::Waits(state) => {
            let back = Back {
                join: Some(state.expose().to_owned()),
                then: None,
                authorization_request: back.authorization_request,
                provider_id: back.provider_id,
            };
            see_other(&back.link(site, "/login", &[("failed", back.provider_id), ("why", "taken")]))
        }
        End::Arrived(Outcome::AddressTaken) => failed(word_of_refusal(Refusal::NotLinked)),
        End::Arrived(Outcome::Refused(refusal)) => failed(word_of_refusal(refusal)),
        End::Failed(failure) => failed(word_of_failure(&failure)),
    }
}

/// The words in the addresses of pages; what they say stands in [`sentence`].
const fn word_of_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NoEmail => "email",
        Refusal::Domain => "domain",
        Refusal::NotLinked => "not_linked",
        Refusal::SignupDisabled => "signup",
        Refusal::EmailNotVerified => "unverified",
        Refusal::Disabled => "disabled",
        Refusal::OtherEmail | Refusal::NotLinkable => "session",
        Refusal::LinkedElsewhere => "elsewhere",
    }
}

/// The user's no: by the standard's word (RFC 6749 §4.1.2.1), and by Apple's.
const DENIALS: [&str; 2] = ["access_denied", "user_cancelled_authorize"];

fn word_of_failure(failure: &Failure) -> &'static str {
    match failure {
        Failure::State => "state",
        Failure::ProviderGone => "gone",
        Failure::Provider { error, .. } if DENIALS.contains(&&**error) => "denied",
        Failure::Provider { .. } | Failure::NoCode | Failure::Issuer | Failure::Code => "refused",
        Failure::Unavailable => "unavailable",
        Failure::Profile => "profile",
        Failure::OldLogin => "old",
    }
}

/// What a page says of a way through a provider on which nothing failed, and which is not at its end.
pub fn next_step(site: &Site, request: &HttpRequest) -> Option<Text> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    let mailed = site.provider.settings.mail && query.text("why") == Some("unverified");
    mailed.then(|| {
        "Your e-mail address must be confirmed first. We have just mailed you a link: open it, then sign in.".into()
    })
}

/// What a page says of a way through a provider that led to nothing. The address chooses among sentences of ours.
pub fn sentence(site: &Site, request: &HttpRequest) -> Option<Text> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    let why = query.text("why")?;
    let entry = query
        .text("failed")
        .and_then(|id| site.provider.federation.entry(id));
    let name = entry.map_or("The other provider", |entry| &*entry.label);
    Some(match why {
        "taken" => format!(
            "There is an account with your e-mail address already. Sign in to it as you did before; then you can connect \
             {name} to it."
        ),
        "unavailable" => format!("{name} does not answer at present. Try again in a minute, or sign in another way."),
        "denied" => format!("You did not let {name} tell us who you are. Try again, or sign in another way."),
        "refused" | "profile" => {
            format!("The sign-in with {name} did not work. Try again, or sign in another way.")
        }
        "old" => format!(
            "You were to sign in at {name} once more, and it did not ask you to. Sign out there and try again, or sign \
             in another way."
        ),
        "state" => format!(
            "The sign-in with {name} took too long, or was begun in another browser. Try again here."
        ),
        "gone" => "This provider is not offered any more. Sign in another way.".to_owned(),
        "email" => format!(
            "{name} told us no e-mail address of yours, and no account is made without one. Sign in another way."
        ),
        "domain" => format!("Your e-mail address at {name} is not one that may sign in here."),
        "not_linked" => format!(
            "There is an account with your e-mail address already, and {name} is not connected to it. Sign in as you \
             did before."
        ),
        "signup" => format!("No account here is connected to {name}, and new ones are made by whoever runs this service."),
        "unverified" if site.provider.settings.mail => return None,
        "unverified" => "Your e-mail address must be confirmed first.".to_owned(),
        "disabled" => "This account is disabled. Ask whoever runs this service.".to_owned(),
        "elsewhere" => format!("Your account at {name} is connected to another account here."),
        "session" => "You signed out or in meanwhile, so nothing was connected. Try again.".to_owned(),
        _ => return None,
    }.into())
}

/// The provider that a browser is sent to without a choice: one that the application or the address of the page names,
/// or that is the only way in for the domain of the address that the application hints at. None after a way that led
/// to nothing, so that nobody goes round in circles.
pub fn chosen<'a>(site: &'a Site, request: &HttpRequest, pending: Option<&Pending>) -> Option<&'a Entry> {
    let federation = &site.provider.federation;
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    if query.text("why").is_some() || query.text("done").is_some() || query.text("join").is_some() {
        return None;
    }
    let asked = pending.and_then(|pending| pending.resumed.proven.request.provider.as_deref());
    if let Some(named) = query.text("provider").or(asked) {
        return federation.entry(named);
    }
    pending
        .and_then(Pending::login_hint)
        .and_then(|hint| federation.of_address(hint))
}
