//! The JWT by which an application's own back end knows its user, made for whoever holds a session. It is good for
//! nothing here: it has no `typ`, and no endpoint of ours takes one without.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Serialize;
use url::Url;

use super::provider::Provider;
use super::refusal::{BROKEN, Refusal, UNAVAILABLE};
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::jose::{SignError, TokenType};
use crate::oauth::error_code::ErrorCode;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A member of a user as Better Auth's clients know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserField {
    /// What people call the user.
    Name,
    /// The address.
    Email,
    /// Whether it was proven.
    EmailVerified,
    /// The address of a picture.
    Image,
    /// When the account was made.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// The id, which `sub` has too.
    Id,
}

impl UserField {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Email,
        Self::EmailVerified,
        Self::Image,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::Id,
    ];
}

/// What the operator decided about these tokens.
#[derive(Debug, Clone)]
pub struct UserTokenSettings {
    /// `iss`; `None`: the origin of the issuer.
    pub issuer: Option<String>,
    /// `aud`; `None`: the origin of the issuer.
    pub audience: Option<String>,
    /// The life, in whole seconds.
    pub ttl: TimeDelta,
    /// What is told of the user.
    pub claims: Vec<UserField>,
}

impl Default for UserTokenSettings {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: None,
            ttl: TimeDelta::minutes(15),
            claims: UserField::ALL.into(),
        }
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum UserTokenError {
    /// No key signs.
    #[error("no EdDSA key signs at present")]
    NoKey,
    /// The signature failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Refusal for UserTokenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Sign(error) if error.is_unavailable() => ErrorCode::TemporarilyUnavailable,
            Self::NoKey | Self::Sign(_) => ErrorCode::ServerError,
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Sign(error) if error.is_unavailable() => UNAVAILABLE,
            Self::NoKey | Self::Sign(_) => BROKEN,
        }
    }
}

/// In the order in which Better Auth writes them. A user has no `image` as null, which is told as well.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Claims<'a> {
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    sub: String,
    exp: i64,
    iss: &'a str,
    aud: &'a str,
}

/// The token of `user`, good from `now` on.
///
/// # Errors
/// When nothing can be signed.
pub async fn issue(provider: &Provider, user: &User, now: DateTime<Utc>) -> Result<Secret, UserTokenError> {
    let settings = &provider.settings.user_tokens;
    let told = |field| settings.claims.contains(&field);
    let origin = Url::parse(&provider.settings.issuer)
        .expect("the configuration holds a URL as issuer")
        .origin()
        .ascii_serialization();
    let date = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let id = user.subject();
    let claims = Claims {
        iat: now.timestamp(),
        name: told(UserField::Name).then_some(&user.name),
        email: told(UserField::Email).then(|| user.email.to_lowercase()),
        email_verified: told(UserField::EmailVerified).then_some(user.email_verified),
        image: told(UserField::Image).then(|| user.profile.picture()),
        created_at: told(UserField::CreatedAt).then(|| date(user.created_at)),
        updated_at: told(UserField::UpdatedAt).then(|| date(user.updated_at)),
        id: told(UserField::Id).then(|| id.clone()),
        sub: id,
        exp: (now + settings.ttl).timestamp(),
        iss: settings.issuer.as_deref().unwrap_or(&origin),
        aud: settings.audience.as_deref().unwrap_or(&origin),
    };
    let keys = Arc::clone(&provider.keys());
    let key = keys.ring.signing_key(SigningAlgorithm::EdDsa, now);
    let token = key
        .ok_or(UserTokenError::NoKey)?
        .sign(TokenType::UserToken, &claims)
        .await?;
    Ok(Secret::new(token))
}
