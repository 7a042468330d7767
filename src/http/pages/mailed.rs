//! The answers around mailed links that several pages give: a link was mailed, and a link is good for nothing.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::view::{ButtonKind, ButtonView, EmailField, FactView, LinkView, StepForm, StepPage, Text};
use super::visit::Visit;
use crate::domain::email::EmailAddress;
use crate::http::fields::Fields;

/// What is said beside an address that is none.
pub const NO_ADDRESS: &str = "Enter an e-mail address such as name@example.org.";

/// The page for whoever has to look into their mail. It says the same whether or not anything was mailed.
pub struct Sent<'a> {
    /// A sentence about what to do with the link.
    pub lead: &'static str,
    /// Where it went, as it was typed.
    pub email: &'a str,
    /// Where "Send it again" posts the address to.
    pub again: &'static str,
}

impl Sent<'_> {
    /// The page.
    pub fn show(self, visit: &Visit<'_>, status: StatusCode) -> HttpResponse {
        let form = StepForm {
            hidden: vec![("email".to_owned(), self.email.to_owned())],
            buttons: vec![ButtonView {
                kind: ButtonKind::Quiet,
                ..ButtonView::only("Send it again")
            }],
            ..visit.form(self.again)
        };
        let page = StepPage {
            title: "Look into your mail".into(),
            lead: self.lead.into(),
            client: visit.client(),
            notice: None,
            facts: vec![FactView::text("E-mail address", self.email)],
            form: Some(form),
            links: vec![LinkView::new("Back to sign-in", visit.link("/login"))],
        };
        visit.show(status, &page)
    }
}

/// The page that asks for an address to mail a link to.
pub struct Asks {
    /// What for, in a few words.
    pub title: &'static str,
    /// A sentence about it.
    pub lead: &'static str,
    /// Where the address goes.
    pub action: &'static str,
    /// What the button says.
    pub button: &'static str,
}

impl Asks {
    /// The page, with what was typed before.
    pub fn show(&self, visit: &Visit<'_>, email: &str, notice: Option<Text>) -> HttpResponse {
        self.page(visit, email, None, notice, StatusCode::OK)
    }

    /// The address that was typed.
    ///
    /// # Errors
    /// With the page that says that it is none.
    pub fn typed(&self, visit: &Visit<'_>, fields: &Fields) -> Result<EmailAddress, HttpResponse> {
        let typed = fields.text("email").unwrap_or_default();
        EmailAddress::parse(typed).map_err(|_| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            self.page(visit, typed, Some(NO_ADDRESS.into()), None, status)
        })
    }

    fn page(
        &self,
        visit: &Visit<'_>,
        email: &str,
        error: Option<Text>,
        notice: Option<Text>,
        status: StatusCode,
    ) -> HttpResponse {
        let form = StepForm {
            email: Some(EmailField {
                label: "E-mail address".into(),
                value: email.to_owned(),
                autocomplete: "username",
                error,
            }),
            buttons: vec![ButtonView::only(self.button)],
            ..visit.form(self.action)
        };
        let page = StepPage {
            title: self.title.into(),
            lead: self.lead.into(),
            client: visit.client(),
            notice,
            facts: Vec::new(),
            form: Some(form),
            links: vec![LinkView::new("Back to sign-in", visit.link("/login"))],
        };
        visit.show(status, &page)
    }
}

/// The page for a link that is good for nothing. Why is not said: it may never have been one of ours.
pub fn dead(visit: &Visit<'_>, links: Vec<LinkView>) -> HttpResponse {
    let page = StepPage {
        title: "This link does not work".into(),
        lead: "It was used already, is too old, or was not copied whole. Nothing has changed.".into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links,
    };
    visit.show(StatusCode::BAD_REQUEST, &page)
}
