//! `/account/again`: the password once more, before what only the user should do. The session stays what it is, with a
//! newer login.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::federated;
use super::super::view::{
    AgainPage, ButtonView, FactView, LinkView, PasswordField, ProviderView, StepForm, StepPage, Text,
};
use super::super::visit::{Member, either};
use crate::domain::mail::MailParams;
use crate::flows::accounts::has_password;
use crate::flows::federation::identities;
use crate::flows::login::{self, LoginError, LoginOutcome};
use crate::http::body::Form;
use crate::http::fields::Fields;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::set_login_cookies;

/// The pages that it leads back to, by the word in the address.
const PAGES: [(&str, &str); 5] = [
    ("email", "/account/email"),
    // A download would leave the browser where it is.
    ("export", "/account?done=export"),
    ("delete", "/account/delete"),
    ("profile", "/account/profile"),
    ("identities", "/account/identities"),
];

/// `GET /account/again`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    show(&member, None).await
}

/// `POST /account/again`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(given(&site, &request, form).await)
}

async fn given(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let Some(password) = fields.secret("password") else {
        return show(&member, Some("Enter your password.".into())).await;
    };
    let (email, browser) = (&member.present.user.email, member.browser());
    let params = MailParams::default();
    let outcome = login::log_in(
        &site.provider,
        email,
        password.expose(),
        &browser,
        &params,
        member.now,
    )
    .await;
    match outcome.map_err(|error| member.failed(&error))? {
        LoginOutcome::LoggedIn(logged_in) => {
            let (_, path) = page(request);
            let mut answer = see_other(&site.path(path));
            set_login_cookies(site, &logged_in, answer.headers_mut());
            Ok(answer)
        }
        LoginOutcome::Wrong => show(&member, Some("The password is wrong.".into())).await,
        // Whoever may do nothing has no session to be here with, unless it has just ended.
        LoginOutcome::Disabled | LoginOutcome::Unverified => Err(see_other(&site.path("/login"))),
    }
}

async fn show(member: &Member<'_>, error: Option<Text>) -> Result<HttpResponse, HttpResponse> {
    let (site, user) = (member.site, &member.present.user);
    let has_password = has_password(&site.provider, user)
        .await
        .map_err(|error| member.failed(&LoginError::from(error)))?;
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let (word, _) = page(member.request);
    let linked = identities::list(&site.provider, user)
        .await
        .map_err(|error| member.failed(&LoginError::from(error)))?;
    let entries = site.provider.federation.entries().iter();
    let entries = entries.filter(|entry| linked.iter().any(|identity| identity.provider == entry.id()));
    let providers: Vec<_> = federated::buttons(site, entries, "/login/with", None, None)
        .into_iter()
        .map(|button| ProviderView {
            action: format!("{}?for={word}", button.action),
            ..button
        })
        .collect();
    let lead = if has_password {
        "Your last sign-in was a while ago. Enter your password, so that we can be sure that it is you."
    } else {
        "Your last sign-in was a while ago. Sign in once more, so that we can be sure that it is you."
    };
    let mut links = vec![LinkView::new("Back to your account", site.path("/account"))];
    if site.provider.settings.mail {
        links.insert(0, LinkView::new("Sign in by e-mail", site.path("/login/link")));
    }
    let page = StepPage {
        title: "Is it you?".into(),
        lead: lead.into(),
        client: None,
        notice: federated::sentence(site, member.request),
        facts: vec![FactView::text("Signed in as", &*user.email)],
        form: has_password.then(|| StepForm {
            password: Some(PasswordField { error }),
            buttons: vec![ButtonView::only("Go on")],
            ..member.form(&format!("/account/again?for={word}"))
        }),
        links,
    };
    let page = AgainPage {
        step: page,
        providers,
        csrf: member.visitor.csrf(site),
    };
    Ok(member.show(status, &page))
}

/// The page that asked, by the word in the address.
fn page(request: &HttpRequest) -> (&'static str, &'static str) {
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    page_of(query.text("for"))
}

/// The page of a word: one of ours, whatever the word is.
pub fn page_of(word: Option<&str>) -> (&'static str, &'static str) {
    let known = PAGES.into_iter().find(|(known, _)| word == Some(*known));
    known.unwrap_or(("account", "/account"))
}
