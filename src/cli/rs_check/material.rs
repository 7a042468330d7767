//! What tokens are made of: the good one, taken apart, and what is known of the issuer's keys. Checks describe
//! tokens with it; [`Keys`] makes them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::jose::forge::{self, Hand};
use crate::jose::{SignError, SigningKey};
use crate::random::Random;

/// Everything that a check may use to describe what it shows.
pub struct Material<'a> {
    /// The present moment.
    pub now: DateTime<Utc>,
    /// The issuer.
    pub issuer: String,
    /// The identifiers of the API; one at least.
    pub audiences: Vec<String>,
    /// The header of the good token.
    pub header: Value,
    /// Its claims.
    pub payload: Value,
    /// The good token itself.
    pub good_text: String,
    /// Its signature.
    pub signature: Vec<u8>,
    /// The key that signed it, in all the ways in which programs hold it.
    pub public_key_encodings: Vec<(&'static str, Vec<u8>)>,
    /// The key that signs next, if every cache must know it by now.
    pub announced: Result<String, NotPossible>,
    /// A key that no cache may know any more.
    pub withdrawn: Result<String, NotPossible>,
    /// A published key of another kind.
    pub other_kid: Option<String>,
    /// The public key of a stranger, with its `kid`.
    pub stranger_jwk: Value,
    /// A certificate that the stranger made out to itself, as `x5c` has it.
    pub stranger_certificate: String,
    /// An address that hands out the stranger's key, and counts who asks.
    pub lure: String,
    /// For names that nobody has.
    pub random: &'a dyn Random,
}

/// Why a check cannot be made; it is skipped then, and never passes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotPossible(pub String);

impl Material<'_> {
    /// The identifier that tokens are made for.
    pub fn audience(&self) -> &str {
        &self.audiences[0]
    }

    /// The good token.
    pub fn good(&self) -> Token {
        Token::Text(self.good_text.clone().into_bytes())
    }

    /// A token that the issuer's own key signs.
    pub fn signed(&self, header: &Value, payload: &Value) -> Token {
        Token::made(header, payload, By::Signing)
    }

    /// The names under which the good token's algorithm goes: EdDSA has two (RFC 9864).
    pub fn algorithms_of_the_key(&self) -> Vec<&str> {
        match self.header["alg"].as_str() {
            Some("EdDSA" | "Ed25519") => vec!["EdDSA", "Ed25519"],
            other => other.into_iter().collect(),
        }
    }

    /// A name of a key as the issuer's own are, and that none of them has.
    pub fn made_up_kid(&self) -> String {
        let mut bytes = [0; 32];
        self.random.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// `object` with these members in place of its own.
pub fn with(object: &Value, changes: Value) -> Value {
    let mut changed = object.clone();
    if let (Some(members), Value::Object(changes)) = (changed.as_object_mut(), changes) {
        members.extend(changes);
    }
    changed
}

/// `object` without a member.
pub fn without(object: &Value, name: &str) -> Value {
    let mut changed = object.clone();
    if let Some(members) = changed.as_object_mut() {
        members.remove(name);
    }
    changed
}

/// A token to be shown.
pub enum Token {
    /// These bytes.
    Text(Vec<u8>),
    /// A JWS yet to be made.
    Made {
        /// The bytes of its header.
        header: Vec<u8>,
        /// The bytes of its payload.
        payload: Vec<u8>,
        /// Who signs.
        by: By,
    },
}

impl Token {
    /// A JWS of two JSON values.
    pub fn made(header: &Value, payload: &Value, by: By) -> Self {
        Self::Made {
            header: header.to_string().into_bytes(),
            payload: payload.to_string().into_bytes(),
            by,
        }
    }
}

/// Who signs.
pub enum By {
    /// The key that signs the issuer's tokens.
    Signing,
    /// The key that signs next.
    Announced,
    /// A key that left the JWKS.
    Withdrawn,
    /// A published key of another kind.
    Other,
    /// A key that the issuer does not know.
    Stranger,
    /// HMAC-SHA-256 under these bytes.
    Hmac(Vec<u8>),
    /// Nobody: these bytes stand there.
    Bytes(Vec<u8>),
}

/// The private keys.
pub struct Keys<'a> {
    /// The key that signs the issuer's tokens.
    pub signing: &'a SigningKey,
    /// The key that signs next.
    pub announced: Option<&'a SigningKey>,
    /// A key that left the JWKS.
    pub withdrawn: Option<SigningKey>,
    /// A published key of another kind.
    pub other: Option<&'a SigningKey>,
    /// A key that the issuer does not know.
    pub stranger: SigningKey,
}

impl Keys<'_> {
    /// Makes a token.
    ///
    /// # Errors
    /// When the signature fails.
    pub async fn make(&self, token: &Token) -> Result<Vec<u8>, SignError> {
        let (header, payload, by) = match token {
            Token::Text(text) => return Ok(text.clone()),
            Token::Made { header, payload, by } => (header, payload, by),
        };
        let missing = "a check that uses this key is skipped where there is none";
        let hand = match by {
            By::Signing => Hand::Key(self.signing),
            By::Announced => Hand::Key(self.announced.expect(missing)),
            By::Withdrawn => Hand::Key(self.withdrawn.as_ref().expect(missing)),
            By::Other => Hand::Key(self.other.expect(missing)),
            By::Stranger => Hand::Key(&self.stranger),
            By::Hmac(secret) => Hand::Hmac(secret),
            By::Bytes(bytes) => Hand::Bytes(bytes),
        };
        Ok(forge::write(header, payload, hand).await?.into_bytes())
    }
}

/// One request.
pub struct Attempt {
    /// What is wrong with it, or right.
    pub what: String,
    /// What it carries.
    pub shown: Shown,
}

/// What a request carries.
pub enum Shown {
    /// No token.
    Nothing,
    /// This `Authorization`.
    Authorization(&'static [u8]),
    /// A token where it belongs.
    Bearer(Token),
    /// A token in the query.
    InQuery(Token),
}

impl Attempt {
    /// A request with a token.
    pub fn new(what: impl Into<String>, token: Token) -> Self {
        Self {
            what: what.into(),
            shown: Shown::Bearer(token),
        }
    }

    /// A request with a token in its URL.
    pub fn in_query(what: impl Into<String>, token: Token) -> Self {
        Self {
            what: what.into(),
            shown: Shown::InQuery(token),
        }
    }

    /// A request without a token.
    pub fn without_token(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            shown: Shown::Nothing,
        }
    }

    /// A request with another `Authorization`.
    pub fn with_authorization(what: impl Into<String>, authorization: &'static [u8]) -> Self {
        Self {
            what: what.into(),
            shown: Shown::Authorization(authorization),
        }
    }
}
