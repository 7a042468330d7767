//! What is asked of a provider, and what comes back from it, as plain values.

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::secret::Secret;

/// One authorization request to a provider.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// Comes back unchanged (RFC 6749 §10.12).
    pub state: &'a str,
    /// Comes back in the ID token (OpenID Connect Core 1.0 §3.1.2.1).
    pub nonce: &'a str,
    /// What redeeming will need (RFC 7636 §4.1).
    pub code_verifier: &'a str,
    /// Who is probably coming.
    pub login_hint: Option<&'a str>,
    /// Scopes beside the configured ones.
    pub scopes: &'a [String],
    /// Parameters beside our own, none of which they may replace.
    pub parameters: &'a [(String, String)],
    /// Whether the user must show anew who it is, where the provider can be asked for that.
    pub again: bool,
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

/// What a provider answered the browser with.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// The authorization code.
    pub code: &'a Secret,
    /// Of the same [`Ask`].
    pub code_verifier: &'a str,
    /// Of the same [`Ask`].
    pub nonce: &'a str,
    /// Of the same [`Ask`].
    pub redirect_uri: &'a str,
    /// Who says that it answered (RFC 9207).
    pub iss: Option<&'a str>,
    /// Apple's `user`: JSON with the name, sent with the first login only.
    pub user: Option<&'a str>,
    /// When the user was asked to log in anew, if they were ([`Ask::again`]). An [`Oidc`](super::Preset::Oidc) must say by
    /// `auth_time` that they did so since.
    pub logged_in_since: Option<DateTime<Utc>>,
}

impl fmt::Debug for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answer")
    }
}

/// An ID token that an application got by itself.
#[derive(Debug, Clone, Copy)]
pub struct IdTokenAnswer<'a> {
    /// The token.
    pub token: &'a Secret,
    /// The nonce that must stand in it.
    pub nonce: Option<&'a str>,
    /// The access token that came with it.
    pub access_token: Option<&'a Secret>,
}

/// Somebody has come: (`issuer`, `subject`) is who it is.
#[derive(Debug)]
pub struct Arrival {
    /// Who vouches.
    pub issuer: String,
    /// Whom it means, in its own name space.
    pub subject: String,
    /// What it says of the person.
    pub person: Person,
    /// How the person proved itself there; registered values only (RFC 8176 §2).
    pub amr: Vec<String>,
    /// What the code was redeemed for.
    pub tokens: Option<Tokens>,
}

/// What a provider says of a person. Names and pictures are ones that an account may have.
#[derive(Clone)]
pub struct Person {
    /// An address, as the provider writes it.
    pub email: Option<String>,
    /// Whether the provider says that it proved the address.
    pub email_verified: bool,
    /// Google's `hd`: the organisation whose account it is.
    pub hosted_domain: Option<String>,
    /// What people call it.
    pub name: Option<String>,
    /// The https URL of a picture.
    pub picture: Option<String>,
    /// All that was said, as it was said.
    pub claims: Value,
}

impl Person {
    /// Takes from `more`, which is said of the same person, what is not said here. An address and whether it is proven
    /// belong together: both come from one place.
    pub(super) fn complete(&mut self, more: Self) {
        if self.email.is_none() {
            self.email = more.email;
            self.email_verified = more.email_verified;
        }
        self.name = self.name.take().or(more.name);
        self.picture = self.picture.take().or(more.picture);
        if let (Value::Object(said), Value::Object(added)) = (&mut self.claims, more.claims) {
            for (name, value) in added {
                said.entry(name).or_insert(value);
            }
        }
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person")
    }
}

/// The tokens of a provider.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// For its APIs.
    pub access_token: Secret,
    /// When that ends, if it was said.
    pub expires_at: Option<DateTime<Utc>>,
    /// For the next ones.
    pub refresh_token: Option<Secret>,
    /// When that ends, if it was said.
    pub refresh_expires_at: Option<DateTime<Utc>>,
    /// The ID token as it came.
    pub id_token: Option<Secret>,
    /// What was granted.
    pub scopes: Vec<String>,
}
