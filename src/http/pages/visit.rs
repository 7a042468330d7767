//! What the pages about accounts have in common: who looks at one, how its forms are read, and how it is answered.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use super::pending::{self, Pending};
use super::view::{Page, StepForm};
use super::{client_view, login, posted, posted_by};
use crate::domain::mail::MailParams;
use crate::domain::secret::Secret;
use crate::flows::accounts::is_fresh;
use crate::flows::browser::Browser;
use crate::flows::login::LoginError;
use crate::flows::sessions::Present;
use crate::http::body::{BodyError, Form};
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy;
use crate::http::pages::view::ClientView;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::Visitor;

/// The answer, whichever way it came about.
pub fn either(answer: Result<HttpResponse, HttpResponse>) -> HttpResponse {
    answer.unwrap_or_else(|answer| answer)
}

/// Somebody at a page that needs no session: one that asks for a mailed link, or that such a link opens.
pub struct Visit<'a> {
    /// The site.
    pub site: &'a Site,
    /// The request for the page.
    pub request: &'a HttpRequest,
    /// The browser.
    pub visitor: Visitor,
    /// The authorization request that the browser is on its way with, if it still has it.
    pub pending: Option<Pending>,
    /// When.
    pub now: DateTime<Utc>,
}

impl<'a> Visit<'a> {
    /// Reads who looks at the page.
    ///
    /// # Errors
    /// With the page to answer with.
    pub async fn begin(site: &'a Site, request: &'a HttpRequest) -> Result<Self, HttpResponse> {
        let now = site.provider.now();
        let (visitor, pending) = pending::visit_if_any(site, request, now).await?;
        Ok(Self {
            site,
            request,
            visitor,
            pending,
            now,
        })
    }

    /// [`begin`](Self::begin) of a form that was sent, if it is this browser's own.
    ///
    /// # Errors
    /// With the page to answer with.
    pub async fn of_form(
        site: &'a Site,
        request: &'a HttpRequest,
        Form(form): Form,
    ) -> Result<(Self, Fields), HttpResponse> {
        let visit = Self::begin(site, request).await?;
        let fields = posted_by(&visit.visitor, site, request, form)?;
        Ok((visit, fields))
    }

    /// What the flows want to know of the browser.
    pub fn browser(&self) -> Browser<'_> {
        self.visitor.browser(self.site, self.request)
    }

    /// Where the links of mails lead that are asked for here.
    pub fn params(&self) -> MailParams {
        pending::mail_params(self.pending.as_ref())
    }

    /// The application that waits for the user.
    pub fn client(&self) -> Option<ClientView> {
        let pending = self.pending.as_ref()?;
        Some(client_view(&pending.resumed.proven.client))
    }

    /// The address of a page, with the request kept.
    pub fn link(&self, path: &str) -> String {
        pending::link(self.site, path, self.pending.as_ref())
    }

    /// The beginnings of a form.
    pub fn form(&self, path: &str) -> StepForm {
        StepForm {
            action: self.link(path),
            csrf: self.visitor.csrf(self.site),
            ..StepForm::default()
        }
    }

    /// The page as an answer.
    pub fn show(&self, status: StatusCode, page: &impl Page) -> HttpResponse {
        let html = self.site.pages.render(page);
        let policy = pending::policy(self.site, self.pending.as_ref());
        let mut answer = page_policy::page(&mut HttpResponse::build(status), policy, html);
        self.visitor.set_cookies(self.site, answer.headers_mut());
        answer
    }

    /// The answer to what could not be tried.
    pub fn failed(&self, error: &LoginError) -> HttpResponse {
        login::not_tried(self.site, self.request, error)
    }

    /// Whether mail leaves. Without it none of these pages can do anything.
    ///
    /// # Errors
    /// With the page that says so.
    pub fn mail_leaves(&self) -> Result<(), HttpResponse> {
        if self.site.provider.settings.mail {
            return Ok(());
        }
        Err(error::page(
            self.site,
            self.request,
            StatusCode::FORBIDDEN,
            "No mail is sent from here",
            "This service cannot send you a link.",
            Some("Ask whoever runs it for help with your account."),
        ))
    }
}

/// The token in the address of a page that a mailed link opened. The form of the page carries it on, so that it stands
/// in no address that anything is sent to.
pub fn token_in_address(request: &HttpRequest) -> Option<Secret> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    query.secret("token").filter(|_| query.spoiled().is_empty())
}

/// A token as a form carries it on.
pub fn token_in_form(token: &Secret) -> Vec<(String, String)> {
    vec![("token".to_owned(), token.expose().to_owned())]
}

/// Somebody at a page of their own account.
pub struct Member<'a> {
    /// The site.
    pub site: &'a Site,
    /// The request for the page.
    pub request: &'a HttpRequest,
    /// The browser.
    pub visitor: Visitor,
    /// Who is logged in.
    pub present: Present,
    /// When.
    pub now: DateTime<Utc>,
}

impl<'a> Member<'a> {
    /// Reads who is logged in.
    ///
    /// # Errors
    /// With the page to answer with: for strangers that of the login.
    pub async fn begin(site: &'a Site, request: &'a HttpRequest) -> Result<Self, HttpResponse> {
        let now = site.provider.now();
        let visitor = Visitor::read(site, request, now).await?;
        let Some(present) = visitor.present.clone() else {
            return Err(see_other(&site.path("/login")));
        };
        Ok(Self {
            site,
            request,
            visitor,
            present,
            now,
        })
    }

    /// [`begin`](Self::begin) of a form that was sent, if it is this session's own.
    ///
    /// # Errors
    /// With the page to answer with.
    pub async fn of_form(
        site: &'a Site,
        request: &'a HttpRequest,
        Form(form): Form,
    ) -> Result<(Self, Fields), HttpResponse> {
        let member = Self::begin(site, request).await?;
        let fields = member.own(form)?;
        Ok((member, fields))
    }

    fn own(&self, form: Result<Fields, BodyError>) -> Result<Fields, HttpResponse> {
        let fields = posted(self.site, self.request, form)?;
        if self.visitor.owns_in_session(self.site, self.request, &fields) {
            Ok(fields)
        } else {
            Err(pending::not_own(self.site, self.request))
        }
    }

    /// Whether the login is recent enough for what only the user should do.
    ///
    /// # Errors
    /// With the way to the page that asks for the password once more, and leads back to `then`.
    pub fn is_fresh(&self, then: &'static str) -> Result<(), HttpResponse> {
        if is_fresh(&self.site.provider, &self.present, self.now) {
            return Ok(());
        }
        Err(see_other(&self.site.path(&format!("/account/again?for={then}"))))
    }

    /// What the flows want to know of the browser.
    pub fn browser(&self) -> Browser<'_> {
        self.visitor.browser(self.site, self.request)
    }

    /// The beginnings of a form.
    pub fn form(&self, path: &str) -> StepForm {
        StepForm {
            action: self.site.path(path),
            csrf: self.visitor.session_csrf(self.site),
            ..StepForm::default()
        }
    }

    /// The page as an answer.
    pub fn show(&self, status: StatusCode, page: &impl Page) -> HttpResponse {
        let html = self.site.pages.render(page);
        let policy = pending::policy(self.site, None);
        let mut answer = page_policy::page(&mut HttpResponse::build(status), policy, html);
        self.visitor.set_cookies(self.site, answer.headers_mut());
        answer
    }

    /// Back to the account, which says in a sentence what was done.
    pub fn done(&self, word: &'static str) -> HttpResponse {
        see_other(&self.site.path(&format!("/account?done={word}")))
    }

    /// The answer to what could not be tried.
    pub fn failed(&self, error: &LoginError) -> HttpResponse {
        login::not_tried(self.site, self.request, error)
    }
}
