//! `/oauth2/authorize` (RFC 6749 §3.1, OpenID Connect Core §3.1.2) and, below it, the way back from our pages.
//!
//! A GET reads the session and is answered at once where no page is needed. A POST arrives from another site
//! without the session's cookie: it stores the request and answers with a redirect to a GET that has it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use crate::domain::authorization::Progress;
use crate::domain::ids::AuthorizationRequestId;
use crate::flows::authorize::check::PageReason;
use crate::flows::authorize::{
    self, AdvanceError, AuthorizationResponse, AuthorizeError, Parameters, Proven, ResumeError, Resumed,
    Step, Stored,
};
use crate::flows::limits::Source;
use crate::http::body::Form;
use crate::http::client_address::client_address;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy::{self, PagePolicy};
use crate::http::pages::view::FormPostPage;
use crate::http::pages::{client_view, pending};
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::Visitor;
use crate::oauth::response::ResponseMode;

/// `GET /oauth2/authorize`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let fields = match Fields::parse(request.query_string().as_bytes()) {
        Ok(fields) => fields,
        Err(_) => return malformed(&site, &request),
    };
    let now = site.provider.now();
    let proven = match authorize::check::check(&site.provider, &parameters(&fields), now) {
        Ok(proven) => proven,
        Err(error) => return refused(&site, &request, error),
    };
    let visitor = match Visitor::read(&site, &request, now).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    let stored = Stored::NotYet(source(&site, &request));
    go_on(
        &site,
        &request,
        &visitor,
        &proven,
        stored,
        Progress::default(),
        now,
    )
    .await
}

/// `POST /oauth2/authorize`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let Ok(fields) = form else {
        return malformed(&site, &request);
    };
    let now = site.provider.now();
    let proven = match authorize::check::check(&site.provider, &parameters(&fields), now) {
        Ok(proven) => proven,
        Err(error) => return refused(&site, &request, error),
    };
    match authorize::store(
        &site.provider,
        &proven.request,
        None,
        source(&site, &request),
        now,
    )
    .await
    {
        Ok(id) => see_other(&site.path(&format!("/oauth2/authorize/{id}"))),
        Err(error) => not_now(&site, &request, &error),
    }
}

/// `GET /oauth2/authorize/{id}`: where pages and forms return to.
pub async fn resume(request: HttpRequest, site: web::Data<Site>, id: web::Path<String>) -> HttpResponse {
    let Ok(id) = id.parse::<AuthorizationRequestId>() else {
        return error::not_found(&site, &request);
    };
    let now = site.provider.now();
    // Read once: a browser that was never here gets one token, which the request is then bound to.
    let visitor = match Visitor::read(&site, &request, now).await {
        Ok(visitor) => visitor,
        Err(answer) => return answer,
    };
    match authorize::resume(&site.provider, id, visitor.browser.hash(), now).await {
        Ok(Resumed { proven, progress }) => {
            go_on(&site, &request, &visitor, &proven, Stored::As(id), progress, now).await
        }
        Err(error) => pending::lost(&site, &request, &error),
    }
}

async fn go_on(
    site: &Site,
    request: &HttpRequest,
    visitor: &Visitor,
    proven: &Proven,
    stored: Stored,
    progress: Progress,
    now: DateTime<Utc>,
) -> HttpResponse {
    let (present, browser) = (visitor.present.as_ref(), visitor.browser.hash());
    let step = match authorize::advance(&site.provider, proven, stored, progress, present, browser, now).await
    {
        Ok(step) => step,
        Err(error) => return not_now(site, request, &error),
    };
    let mut answer = match step {
        Step::Login(id) => see_other(&site.path(&format!("/login?request={id}"))),
        Step::Signup(id) => see_other(&site.path(&format!("/signup?request={id}"))),
        Step::Consent(id) => see_other(&site.path(&format!("/consent?request={id}"))),
        Step::Respond(response) => respond(site, &response, Some(proven)),
        Step::Gone => pending::lost(site, request, &ResumeError::Gone),
    };
    visitor.set_cookies(site, answer.headers_mut());
    answer
}

fn source(site: &Site, request: &HttpRequest) -> Source {
    Source::from(client_address(request, &site.trusted_proxies))
}

fn not_now(site: &Site, request: &HttpRequest, error: &AdvanceError) -> HttpResponse {
    match error {
        AdvanceError::TooMany(too_many) => error::too_many_page(site, request, *too_many),
        AdvanceError::Storage(error) => error::failure_page(site, request, error),
    }
}

/// Sends the browser back to the client.
pub fn respond(site: &Site, response: &AuthorizationResponse, proven: Option<&Proven>) -> HttpResponse {
    match response.response_mode() {
        ResponseMode::Query => see_other(&response.location()),
        ResponseMode::FormPost => {
            let fields = response.parameters().iter();
            let html = site.pages.render(&FormPostPage {
                action: response.target().to_owned(),
                client: proven.map(|proven| client_view(&proven.client)),
                fields: fields
                    .map(|(name, value)| ((*name).to_owned(), value.clone()))
                    .collect(),
            });
            page_policy::page(&mut HttpResponse::Ok(), PagePolicy::LeadsElsewhere, html)
        }
    }
}

fn refused(site: &Site, request: &HttpRequest, error: AuthorizeError) -> HttpResponse {
    match error {
        AuthorizeError::SendBack(back) => {
            tracing::info!(error.code = %back.code, reason = back.description, "a request was refused");
            let response = AuthorizationResponse::error(&site.provider.settings.issuer, *back);
            respond(site, &response, None)
        }
        AuthorizeError::ShowPage(reason) => {
            tracing::info!(%reason, "a request was refused");
            error::page(
                site,
                request,
                StatusCode::BAD_REQUEST,
                "This sign-in cannot go on",
                match reason {
                    PageReason::Client => "The application that sent you here is not known here.",
                    PageReason::RedirectUri => {
                        "The application that sent you here wants you sent back to an address that it has not \
                         registered."
                    }
                    PageReason::Malformed => "The application that sent you here made a malformed request.",
                },
                Some("Go back to the application and tell whoever runs it."),
            )
        }
        AuthorizeError::Registry(error) => error::failure_page(site, request, &error),
    }
}

/// Parameters that cannot be read prove no client, either.
fn malformed(site: &Site, request: &HttpRequest) -> HttpResponse {
    refused(site, request, AuthorizeError::ShowPage(PageReason::Malformed))
}

fn parameters(fields: &Fields) -> Parameters {
    Parameters {
        client_id: fields.owned("client_id"),
        redirect_uri: fields.owned("redirect_uri"),
        response_type: fields.owned("response_type"),
        response_mode: fields.owned("response_mode"),
        scope: fields.owned("scope"),
        state: fields.owned("state"),
        nonce: fields.owned("nonce"),
        code_challenge: fields.owned("code_challenge"),
        code_challenge_method: fields.owned("code_challenge_method"),
        prompt: fields.owned("prompt"),
        max_age: fields.owned("max_age"),
        login_hint: fields.owned("login_hint"),
        provider: fields.owned("provider"),
        ui_locales: fields.owned("ui_locales"),
        id_token_hint: fields.secret("id_token_hint"),
        claims: fields.owned("claims"),
        resources: fields.all("resource"),
        request: fields.owned("request"),
        request_uri: fields.owned("request_uri"),
        registration: fields.owned("registration"),
        spoiled: fields.spoiled().to_vec(),
    }
}
