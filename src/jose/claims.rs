//! What our tokens say: access tokens (RFC 9068 §2.2), ID tokens (OpenID Connect Core §2) and logout tokens
//! (Back-Channel Logout §2.4). Times are whole seconds since 1970 (RFC 7519 §2, NumericDate).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha512};

use crate::domain::ids::{ClientId, FamilyId, SessionId, TokenId};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// Whom a token is for: on the wire a text when it is one, an array when they are several (RFC 7519 §4.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(Vec<String>);

impl Audience {
    /// One audience.
    pub fn one(audience: impl Into<String>) -> Self {
        Self(vec![audience.into()])
    }

    /// Several audiences, in this order. `None` if there is none.
    pub fn several(audiences: Vec<String>) -> Option<Self> {
        (!audiences.is_empty()).then_some(Self(audiences))
    }

    /// Whether the token is for `audience`.
    pub fn contains(&self, audience: &str) -> bool {
        self.0.iter().any(|known| known == audience)
    }

    /// The audiences; one at least.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [one] => serializer.serialize_str(one),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            Several(Vec<String>),
        }
        let audiences = match Form::deserialize(deserializer)? {
            Form::One(audience) => vec![audience],
            Form::Several(audiences) => audiences,
        };
        Self::several(audiences).ok_or_else(|| D::Error::custom("an aud without an audience"))
    }
}

/// The claims of an access token. What stands behind `sid` is absent from a client's own tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// The issuer.
    pub iss: String,
    /// The user, or the client itself (RFC 9068 §2.2).
    pub sub: String,
    /// The resources that may accept it.
    pub aud: Audience,
    /// From when it is refused.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Its own name, to revoke it by.
    pub jti: TokenId,
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// The granted scopes, separated by spaces; absent when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// The browser session behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The grant that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<FamilyId>,
    /// When the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// How strongly the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what the user authenticated (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Where it is told whether the token is still good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// The `status` claim (draft-ietf-oauth-status-list §6.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// A place in a status list.
    pub status_list: StatusReference,
}

/// A place in a status list (draft-ietf-oauth-status-list §6.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReference {
    /// The place.
    pub idx: u32,
    /// The list's address.
    pub uri: String,
}

/// The claims of a logout token (OpenID Connect Back-Channel Logout 1.0 §2.4). Never a `nonce`: an older client must
/// not take it for an ID token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogoutTokenClaims<'a> {
    /// The issuer.
    pub iss: &'a str,
    /// The client that is told.
    pub aud: &'a str,
    /// When it was made.
    pub iat: i64,
    /// From when it is refused.
    pub exp: i64,
    /// The same for whatever tells this client of this logout once more.
    pub jti: uuid::Uuid,
    /// That it is a logout.
    pub events: LogoutEvents,
    /// Whose session it was.
    pub sub: &'a str,
    /// Which session ended, as its ID tokens name it.
    pub sid: SessionId,
}

/// The `events` of a logout token: the one name, with an empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LogoutEvents {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    backchannel_logout: Empty,
}

/// `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
struct Empty {}

/// The claims of a status list (draft-ietf-oauth-status-list §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusListClaims<'a> {
    /// The issuer, which is that of the tokens.
    pub iss: &'a str,
    /// The list's own address.
    pub sub: &'a str,
    /// When the database was read.
    pub iat: i64,
    /// From when it says nothing.
    pub exp: i64,
    /// For how many seconds nobody needs to ask again.
    pub ttl: i64,
    /// The list.
    pub status_list: StatusList<'a>,
}

/// Bits, compressed (draft-ietf-oauth-status-list §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusList<'a> {
    /// How many bits a token has.
    pub bits: u8,
    /// All of them, in ZLIB's format and base64url.
    pub lst: &'a str,
}

/// The claims of an ID token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IdTokenClaims {
    /// The issuer.
    pub iss: String,
    /// The user.
    pub sub: String,
    /// The client.
    pub aud: Audience,
    /// From when it is refused.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// When the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// What the client sent to the authorization endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// What binds the access token to it: [`at_hash`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_hash: Option<String>,
    /// How strongly the user authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what the user authenticated (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The browser session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<SessionId>,
    /// The client that it was issued to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azp: Option<ClientId>,
    /// What the granted scopes tell of the user.
    #[serde(flatten)]
    pub user: UserClaims,
}

/// Claims about a user that stand beside the protocol's own and cannot take their place.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserClaims(Map<String, Value>);

/// The claims that the protocol itself makes.
const PROTOCOL_CLAIMS: [&str; 22] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "auth_time",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "acr",
    "amr",
    "azp",
    "sid",
    "gid",
    "client_id",
    "scope",
    "cnf",
    "events",
    "status",
];

impl UserClaims {
    /// Claims about a user. A name that is the protocol's own is left out, whoever asked for it.
    pub fn new(mut claims: Map<String, Value>) -> Self {
        claims.retain(|name, _| !PROTOCOL_CLAIMS.contains(&&**name));
        Self(claims)
    }
}

/// The `at_hash` of an access token in an ID token signed with `algorithm`: the left half of the digest that
/// the algorithm uses, base64url (OpenID Connect Core §3.1.3.6). Ed25519, by either name, uses SHA-512.
pub fn at_hash(algorithm: SigningAlgorithm, access_token: &str) -> String {
    match algorithm {
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
            URL_SAFE_NO_PAD.encode(&Sha512::digest(access_token)[..32])
        }
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
            URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token)[..16])
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_audience_is_a_text_and_several_are_an_array() {
        let one = Audience::one("a");
        let two = Audience::several(vec!["a".into(), "b".into()]).expect("two");
        assert_eq!(json!([one, two]), json!(["a", ["a", "b"]]));
        for (wire, expected) in [
            ("\"a\"", Some(&one)),
            ("[\"a\"]", Some(&one)),
            ("[\"a\",\"b\"]", Some(&two)),
        ] {
            assert_eq!(
                serde_json::from_str::<Audience>(wire).ok().as_ref(),
                expected,
                "{wire}"
            );
        }
        for wrong in ["[]", "null", "1", "[1]", "{}"] {
            assert!(serde_json::from_str::<Audience>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_logout_token_says_what_the_standard_says_and_no_more() {
        let id = uuid::Uuid::from_u128(1);
        let claims = LogoutTokenClaims {
            iss: "https://id.example",
            aud: "app",
            iat: 1,
            exp: 121,
            jti: id,
            events: LogoutEvents::default(),
            sub: &id.to_string(),
            sid: SessionId::from(id),
        };
        assert_eq!(
            json!(claims),
            json!({
                "iss": "https://id.example", "aud": "app", "iat": 1, "exp": 121, "jti": id, "sub": id, "sid": id,
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
            })
        );
    }

    #[test]
    fn a_users_claims_cannot_take_the_protocols_names() {
        let Value::Object(asked) = json!({"name": "N", "aud": "evil", "sub": "other", "sid": 1}) else {
            unreachable!("an object")
        };
        assert_eq!(json!(UserClaims::new(asked)), json!({"name": "N"}));
    }

    #[test]
    fn at_hash_is_the_left_half_of_the_algorithms_digest() {
        // The example of OpenID Connect Core appendix A.3.
        assert_eq!(
            at_hash(
                SigningAlgorithm::Rs256,
                "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
            ),
            "77QmUPtjPfzWtF2AnpK9RQ"
        );
        for algorithm in SigningAlgorithm::ALL {
            let expected = match algorithm {
                SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
                    "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg_SpIdNs6c4"
                }
                _ => "47DEQpj8HBSa-_TImW-5JA",
            };
            assert_eq!(at_hash(algorithm, ""), expected, "{algorithm:?}");
        }
    }
}
