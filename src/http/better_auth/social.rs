//! Setting out to another provider, to sign in or to add an identity.

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde::Serialize;
use serde_json::Value;

use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::Input;
use super::mailed::some_url;
use super::objects::{UserObject, token as token_of};
use crate::domain::federation::{Face, Intent, Way};
use crate::domain::secret::Secret;
use crate::domain::session_token::Form;
use crate::flows::browser::Stay;
use crate::flows::federation::Entry;
use crate::flows::federation::arrive::{Outcome as Arrived, Refusal};
use crate::flows::federation::begin::{BeginError, Wish, begin};
use crate::flows::federation::id_token::{self, GivenToken, IdTokenError};

/// Where a browser goes whose page named no address.
const HOME: &str = "/";

/// Parameters of an authorization request that are never a page's to choose (RFC 6749 §4.1.1, RFC 7636 §4.3, OpenID
/// Connect Core §3.1.2.1).
const RESERVED: [&str; 14] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// The most scopes and parameters that are passed on, and the longest of each, in bytes.
const MOST: usize = 20;
const LONGEST: usize = 500;

/// What both endpoints read.
struct Asked<'a> {
    provider: &'a str,
    face: Face,
    redirects: bool,
    scopes: Vec<String>,
    login_hint: Option<&'a str>,
    parameters: Vec<(String, String)>,
    id_token: Option<GivenToken>,
}

fn read<'a>(input: &mut Input<'a>) -> Asked<'a> {
    let callback_url = some_url(input.optional_text("callbackURL"));
    let asked = Asked {
        provider: input.text("provider"),
        face: Face::BetterAuth {
            callback_url: callback_url.unwrap_or_else(|| HOME.to_owned()),
            new_user_callback_url: some_url(input.optional_text("newUserCallbackURL")),
            error_callback_url: some_url(input.optional_text("errorCallbackURL")),
        },
        redirects: input.optional_truth("disableRedirect") != Some(true),
        scopes: scopes(input),
        login_hint: input.optional_text("loginHint").filter(|hint| !hint.is_empty()),
        parameters: parameters(input),
        id_token: id_token(input),
    };
    let _ = input.optional_truth("requestSignUp");
    let _ = input.optional_object("additionalData");
    asked
}

fn scopes(input: &mut Input<'_>) -> Vec<String> {
    let Some(scopes) = input.optional_texts("scopes") else {
        return Vec::new();
    };
    let fits = |scope: &&str| {
        !scope.is_empty() && scope.len() <= LONGEST && scope.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if scopes.len() > MOST || !scopes.iter().all(fits) {
        input.issue(
            "scopes",
            "Invalid scopes: 20 at most, printable and without spaces",
        );
    }
    scopes.into_iter().map(str::to_owned).collect()
}

fn parameters(input: &mut Input<'_>) -> Vec<(String, String)> {
    let Some(object) = input.optional_object("additionalParams") else {
        return Vec::new();
    };
    let mut parameters = Vec::new();
    for (name, value) in object {
        let fits = name.len() <= LONGEST && value.as_str().is_some_and(|value| value.len() <= LONGEST);
        if RESERVED.contains(&&**name) {
            input.issue("additionalParams", "Invalid input: a reserved OAuth parameter");
        } else if !fits || object.len() > MOST {
            input.issue("additionalParams", "Invalid input: expected a record of strings");
        }
        parameters.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
    }
    parameters
}

fn id_token(input: &mut Input<'_>) -> Option<GivenToken> {
    let object = input.optional_object("idToken")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(token) = text("token") else {
        input.issue(
            "idToken.token",
            "Invalid input: expected string, received undefined",
        );
        return None;
    };
    Some(GivenToken {
        token: Secret::new(token),
        nonce: text("nonce").filter(|nonce| !nonce.is_empty()),
        access_token: text("accessToken")
            .filter(|token| !token.is_empty())
            .map(Secret::new),
    })
}

#[derive(Serialize)]
struct Redirect<'a> {
    url: &'a str,
    redirect: bool,
}

/// `POST /sign-in/social`
pub async fn sign_in(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let asked = read(&mut input);
    input.finish()?;
    call.is_no_login_by_another_page()?;
    if let Some(given) = &asked.id_token {
        return sign_in_by_token(call, &asked, given).await;
    }
    let visitor = call.visitor().await?;
    set_out(call, &asked, Intent::SignIn, visitor).await
}

/// `POST /link-social`: from a fresh login, since whoever comes back is in the account from then on.
pub async fn link(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let asked = read(&mut input);
    input.finish()?;
    let held = call.freshly_logged_in().await?;
    if let Some(given) = &asked.id_token {
        return link_by_token(call, &asked, given).await;
    }
    let intent = Intent::Link {
        session: *held.present.session.id.as_uuid(),
        user: *held.present.user.id.as_uuid(),
    };
    let visitor = call.visitor_of(&held);
    set_out(call, &asked, intent, visitor).await
}

async fn set_out(
    call: &mut Call,
    asked: &Asked<'_>,
    intent: Intent,
    mut visitor: super::access::Visitor,
) -> Outcome {
    let site = call.site.clone();
    let entry = entry(&site.provider.federation, asked.provider)?;
    call.remember_browser(&mut visitor);
    let way = Way {
        intent,
        face: asked.face.clone(),
        again: false,
    };
    let wish = Wish {
        login_hint: asked.login_hint,
        scopes: &asked.scopes,
        parameters: &asked.parameters,
    };
    let url = {
        let browser = call.browser(&visitor, Stay::Remembered);
        begin(&site.provider, entry, way, &wish, &browser, call.now).await
    };
    let url = url.map_err(not_begun)?;
    let mut answer = json(&Redirect {
        url: url.as_str(),
        redirect: asked.redirects,
    });
    if asked.redirects
        && let Ok(location) = url.as_str().parse()
    {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

fn entry<'a>(federation: &'a crate::flows::federation::Federation, id: &str) -> Result<&'a Entry, ApiError> {
    let entry = federation.entry(id);
    entry.ok_or(ApiError::new(
        StatusCode::NOT_FOUND,
        "PROVIDER_NOT_FOUND",
        "Provider not found",
    ))
}

fn not_begun(error: BeginError) -> ApiError {
    match error {
        BeginError::TooMany(too_many) => too_many.into(),
        BeginError::Storage(error) => error.into(),
        BeginError::Upstream(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a browser cannot be sent to a provider"
            );
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "PROVIDER_UNAVAILABLE",
                "The provider does not answer at present. Please try again, or sign in another way.",
            )
        }
    }
}

/// Signs in with an ID token that the application has.
async fn sign_in_by_token(call: &mut Call, asked: &Asked<'_>, given: &GivenToken) -> Outcome {
    #[derive(Serialize)]
    struct SignedIn {
        redirect: bool,
        token: String,
        user: UserObject,
    }
    let site = call.site.clone();
    let entry = entry(&site.provider.federation, asked.provider)?;
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, Stay::Remembered);
        id_token::sign_in(&site.provider, entry, given, &browser, call.now).await
    };
    let outcome = outcome.map_err(not_believed)?;
    let logged_in = match outcome {
        Arrived::LoggedIn { logged_in, .. } => logged_in,
        Arrived::AddressTaken | Arrived::Linked => return Err(not_linked("account not linked")),
        Arrived::Refused(refusal) => return Err(refused(refusal)),
    };
    call.give_login(&logged_in);
    call.keep_beside_others(&logged_in).await?;
    Ok(json(&SignedIn {
        redirect: false,
        token: token_of(&call.site, &logged_in.session, Form::Bearer),
        user: UserObject::from(&logged_in.user),
    }))
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::NoEmail => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "USER_EMAIL_NOT_FOUND",
            "User email not found",
        ),
        Refusal::EmailNotVerified => ApiError::forbidden("EMAIL_NOT_VERIFIED", "Email not verified"),
        Refusal::Disabled => ApiError::forbidden("BANNED_USER", "This account is disabled"),
        Refusal::SignupDisabled => not_linked("signup disabled"),
        Refusal::Domain => not_linked("email domain not allowed"),
        Refusal::NotLinked | Refusal::OtherEmail | Refusal::NotLinkable | Refusal::LinkedElsewhere => {
            not_linked("account not linked")
        }
    }
}

const fn not_linked(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "OAUTH_LINK_ERROR", message)
}

/// Adds the identity of an ID token that the application has.
async fn link_by_token(call: &mut Call, asked: &Asked<'_>, given: &GivenToken) -> Outcome {
    #[derive(Serialize)]
    struct Linked {
        url: &'static str,
        status: bool,
        redirect: bool,
    }
    let site = call.site.clone();
    let entry = entry(&site.provider.federation, asked.provider)?;
    let user = call.logged_in().await?.present.user;
    let linked = id_token::link(&site.provider, entry, given, &user, call.now).await;
    match linked.map_err(not_believed)? {
        Arrived::Refused(Refusal::LinkedElsewhere) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "SOCIAL_ACCOUNT_ALREADY_LINKED",
            "Social account already linked",
        )),
        Arrived::Refused(Refusal::OtherEmail) => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED",
            "Account not linked - different emails not allowed",
        )),
        Arrived::Refused(_) => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "LINKING_NOT_ALLOWED",
            "Account not linked - linking not allowed",
        )),
        Arrived::Linked | Arrived::LoggedIn { .. } | Arrived::AddressTaken => Ok(json(&Linked {
            url: "",
            status: true,
            redirect: false,
        })),
    }
}

fn not_believed(error: IdTokenError) -> ApiError {
    match error {
        IdTokenError::NotTried(error) => error.into(),
        IdTokenError::NotSupported => ApiError::new(
            StatusCode::NOT_FOUND,
            "ID_TOKEN_NOT_SUPPORTED",
            "id_token not supported",
        ),
        IdTokenError::Profile => ApiError::new(
            StatusCode::UNAUTHORIZED,
            "FAILED_TO_GET_USER_INFO",
            "Failed to get user info",
        ),
        IdTokenError::Refused => ApiError::new(StatusCode::UNAUTHORIZED, "INVALID_TOKEN", "Invalid token"),
    }
}
