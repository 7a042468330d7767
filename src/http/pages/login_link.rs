//! `/login/link`: signing in by mail. Asks for the address, and is where the mailed link leads.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::mailed::{self, Asks, Sent};
use super::view::{ButtonView, LinkView, StepForm, StepPage};
use super::visit::{Visit, either, token_in_address, token_in_form};
use super::{login, pending};
use crate::domain::mail::MailKind;
use crate::domain::secret::Secret;
use crate::flows::accounts;
use crate::flows::accounts::sign_in::{self, Opened, SignInOutcome};
use crate::http::body::Form;
use crate::http::site::Site;

const PATH: &str = "/login/link";

/// The page that asks for the address.
const ASKS: Asks = Asks {
    title: "Sign in by e-mail",
    lead: "Tell us your e-mail address, and we mail you a link that signs you in, without a password.",
    action: PATH,
    button: "Send the link",
};

/// `GET /login/link`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    visit.mail_leaves()?;
    let Some(token) = token_in_address(request) else {
        let hint = visit.pending.as_ref().and_then(pending::Pending::login_hint);
        return Ok(ASKS.show(&visit, hint.unwrap_or_default(), None));
    };
    let opened = sign_in::open(&site.provider, token.expose(), &visit.browser(), visit.now).await;
    Ok(match opened.map_err(|error| visit.failed(&error))? {
        Opened::Good { email, here } => ask(&visit, &token, &email, here),
        Opened::Expired | Opened::Dead => dead(&visit),
    })
}

/// `POST /login/link`: with an address one is mailed, with the token of one it signs in.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(posted(&site, &request, form).await)
}

async fn posted(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    visit.mail_leaves()?;
    if let Some(token) = fields.secret("token") {
        return enter(&visit, &token).await;
    }
    let email = ASKS.typed(&visit, &fields)?;
    let (kind, browser, params) = (MailKind::SignIn, visit.browser(), visit.params());
    accounts::ask(&site.provider, kind, &email, &browser, &params, visit.now)
        .await
        .map_err(|error| visit.failed(&error))?;
    let lead = if site.provider.settings.accounts.signup {
        "We have mailed a link to this address that signs you in. It works once, within 5 minutes."
    } else {
        "If there is an account with this address, we have mailed it a link that signs you in. It works once, within \
         5 minutes."
    };
    let sent = Sent {
        lead,
        email: email.as_str(),
        again: PATH,
    };
    Ok(sent.show(&visit, StatusCode::OK))
}

async fn enter(visit: &Visit<'_>, token: &Secret) -> Result<HttpResponse, HttpResponse> {
    let site = visit.site;
    let outcome = sign_in::by_link(&site.provider, token.expose(), &visit.browser(), visit.now).await;
    Ok(match outcome.map_err(|error| visit.failed(&error))? {
        SignInOutcome::LoggedIn { logged_in, .. } => {
            let (browser, pending) = (visit.visitor.browser.hash(), visit.pending.as_ref());
            login::enter(site, visit.request, browser, pending, &logged_in, visit.now).await
        }
        SignInOutcome::Closed | SignInOutcome::Dead | SignInOutcome::Not(_) => dead(visit),
    })
}

/// The address is named, so that nobody is led into a stranger's account.
fn ask(visit: &Visit<'_>, token: &Secret, email: &str, here: bool) -> HttpResponse {
    let lead = if here {
        "You opened the link that we mailed you. One more click, and you are signed in."
    } else {
        "This link was asked for in another browser. Go on only if you asked for it yourself."
    };
    let page = StepPage {
        title: "Sign in".into(),
        lead: lead.into(),
        client: visit.client(),
        notice: None,
        facts: Vec::new(),
        form: Some(StepForm {
            hidden: token_in_form(token),
            buttons: vec![ButtonView::only(format!("Sign in as {email}"))],
            ..visit.form(PATH)
        }),
        links: vec![LinkView::new("Sign in as somebody else", visit.link("/login"))],
    };
    visit.show(StatusCode::OK, &page)
}

fn dead(visit: &Visit<'_>) -> HttpResponse {
    let links = vec![
        LinkView::new("Ask for a new link", visit.link(PATH)),
        LinkView::new("Sign in with a password", visit.link("/login")),
    ];
    mailed::dead(visit, links)
}
