//! `/verify-email`: the address of an account is proven. The browser that signed up has one button; elsewhere the page
//! names the signup, since whoever reads the mail may not be who made the account.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::mailed::{Asks, Sent};
use super::view::{ButtonKind, ButtonView, FactView, LinkView, StepForm, StepPage};
use super::visit::{Visit, either, token_in_address, token_in_form};
use super::{login, pending};
use crate::domain::device_name::device_name;
use crate::domain::mail::MailKind;
use crate::domain::secret::Secret;
use crate::flows::accounts;
use crate::flows::accounts::verification::{self, Confirmation, Confirmed, Opened, Signup};
use crate::flows::browser::LoggedIn;
use crate::http::body::Form;
use crate::http::redirect::see_other;
use crate::http::site::Site;

/// Where another link is asked for.
pub(super) const SEND: &str = "/verify-email/send";

/// The page for a link that is good for nothing, which asks for the address.
const ASKS: Asks = Asks {
    title: "This link does not work",
    lead: "It is too old, was used already, or was not copied whole. Tell us your e-mail address, and we mail you \
           another one.",
    action: SEND,
    button: "Send another link",
};

/// `GET /verify-email`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    match token_in_address(request) {
        Some(token) => show(&visit, &token).await,
        None => Ok(ASKS.show(&visit, "", None)),
    }
}

/// `POST /verify-email`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(answered(&site, &request, form).await)
}

async fn answered(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    let Some(token) = fields.secret("token") else {
        return Ok(ASKS.show(&visit, "", None));
    };
    let confirmation = match fields.text("answer") {
        Some("me") => Confirmation::ItWasMe,
        Some("not_me") => Confirmation::ItWasNotMe,
        _ => Confirmation::Here,
    };
    let browser = visit.browser();
    let acted =
        verification::confirm_and_enter(&site.provider, token.expose(), confirmation, &browser, visit.now);
    let (confirmed, logged_in) = acted.await.map_err(|error| visit.failed(&error))?;
    match confirmed {
        Confirmed::Verified(_) => Ok(go_on(&visit, logged_in.as_ref()).await),
        Confirmed::Removed => Ok(removed(&visit)),
        // The page says what is to be said: which signup it is, or that the link came too late.
        Confirmed::Elsewhere | Confirmed::Expired | Confirmed::Dead => show(&visit, &token).await,
    }
}

/// `POST /verify-email/send`: of an address, or in place of a link that came too late.
pub async fn send(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(sent(&site, &request, form).await)
}

async fn sent(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    visit.mail_leaves()?;
    let (browser, params, now) = (visit.browser(), visit.params(), visit.now);
    if let Some(token) = fields.secret("token") {
        verification::ask_again(&site.provider, token.expose(), &browser, &params, now)
            .await
            .map_err(|error| visit.failed(&error))?;
        let page = StepPage {
            title: "Look into your mail".into(),
            lead: "If your address is still to be confirmed, we have mailed you another link.".into(),
            client: visit.client(),
            notice: None,
            facts: Vec::new(),
            form: None,
            links: vec![LinkView::new("Back to sign-in", visit.link("/login"))],
        };
        return Ok(visit.show(StatusCode::OK, &page));
    }
    let email = ASKS.typed(&visit, &fields)?;
    let kind = MailKind::VerifyEmail;
    accounts::ask(&site.provider, kind, &email, &browser, &params, now)
        .await
        .map_err(|error| visit.failed(&error))?;
    let sent = Sent {
        lead: "If this address belongs to an account and is still to be confirmed, we have mailed it a link. Open it \
               within an hour.",
        email: email.as_str(),
        again: SEND,
    };
    Ok(sent.show(&visit, StatusCode::OK))
}

/// What a link says before anybody acts on it.
async fn show(visit: &Visit<'_>, token: &Secret) -> Result<HttpResponse, HttpResponse> {
    let site = visit.site;
    let opened = verification::open(&site.provider, token.expose(), &visit.browser(), visit.now).await;
    Ok(match opened.map_err(|error| visit.failed(&error))? {
        Opened::Good(signup) => ask(visit, token, &signup),
        Opened::Verified(_) => done(visit),
        Opened::Expired => expired(visit, token),
        Opened::Dead => ASKS.show(visit, "", None),
    })
}

fn ask(visit: &Visit<'_>, token: &Secret, signup: &Signup) -> HttpResponse {
    let user = &signup.user;
    let mut facts = vec![FactView::text("E-mail address", &*user.email)];
    let (title, lead, buttons) = if signup.here {
        (
            "Confirm your e-mail address",
            "You opened the link that we mailed you. One more click, and the address is confirmed.",
            vec![ButtonView::answer("Confirm", "here", ButtonKind::Main)],
        )
    } else {
        let device = signup.user_agent.as_deref().map(device_name);
        facts.extend([
            FactView::text("Name", &*user.name),
            FactView::at("Signed up", user.created_at),
            FactView::text("With", device.unwrap_or_else(|| "An unknown device".to_owned())),
        ]);
        (
            "Did you sign up?",
            "Somebody made an account with your e-mail address, in another browser than this one. If it was not you, \
             the account is removed.",
            vec![
                ButtonView::answer("Yes, this was me", "me", ButtonKind::Main),
                ButtonView::answer("No, this was not me", "not_me", ButtonKind::Danger),
            ],
        )
    };
    let page = StepPage {
        title: title.into(),
        lead: lead.into(),
        client: None,
        notice: None,
        facts,
        form: Some(StepForm {
            hidden: token_in_form(token),
            buttons,
            ..visit.form("/verify-email")
        }),
        links: Vec::new(),
    };
    visit.show(StatusCode::OK, &page)
}

/// On with the request, to the account, or to the login.
async fn go_on(visit: &Visit<'_>, logged_in: Option<&LoggedIn>) -> HttpResponse {
    let (site, pending) = (visit.site, visit.pending.as_ref());
    if let Some(logged_in) = logged_in {
        let browser = visit.visitor.browser.hash();
        return login::enter(site, visit.request, browser, pending, logged_in, visit.now).await;
    }
    match (&visit.visitor.present, pending) {
        (Some(_), Some(_)) => see_other(&pending::after(site, pending)),
        (Some(_), None) => see_other(&site.path("/account?done=verified")),
        (None, _) => see_other(&pending::link_after(site, "/login", pending, "verified")),
    }
}

fn done(visit: &Visit<'_>) -> HttpResponse {
    let next = if visit.visitor.present.is_some() {
        LinkView::new("Go on", pending::after(visit.site, visit.pending.as_ref()))
    } else {
        LinkView::new("Sign in", visit.link("/login"))
    };
    let page = StepPage {
        title: "Your e-mail address is confirmed".into(),
        lead: "There is nothing more to do.".into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links: vec![next],
    };
    visit.show(StatusCode::OK, &page)
}

fn removed(visit: &Visit<'_>) -> HttpResponse {
    let page = StepPage {
        title: "The account is removed".into(),
        lead: "Nothing is left of it, and whoever made it is signed out. If you want an account of your own, you can \
               make one."
            .into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links: Vec::new(),
    };
    visit.show(StatusCode::OK, &page)
}

fn expired(visit: &Visit<'_>, token: &Secret) -> HttpResponse {
    let page = StepPage {
        title: "This link is too old".into(),
        lead: "Links in our mails work for an hour. We can mail you another one to the same address.".into(),
        client: visit.client(),
        notice: None,
        facts: Vec::new(),
        form: Some(StepForm {
            hidden: token_in_form(token),
            buttons: vec![ButtonView::only("Send another link")],
            ..visit.form(SEND)
        }),
        links: Vec::new(),
    };
    visit.show(StatusCode::BAD_REQUEST, &page)
}
