//! A user, and what tokens and userinfo tell of one (OpenID Connect Core 1.0 §5.1, §5.4).

use std::fmt;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::authorization::{ClaimRequest, RequestedClaims};
use super::ids::UserId;
use crate::oauth::scope::ScopeSet;

/// A user as stored, without the password.
#[derive(Clone, PartialEq)]
pub struct User {
    /// Who it is.
    pub id: UserId,
    /// The `sub` that the user brought along, if it is not the id; see [`subject`](Self::subject).
    pub imported_subject: Option<String>,
    /// The address as given.
    pub email: String,
    /// Whether the address was proven to be the user's.
    pub email_verified: bool,
    /// What people call the user.
    pub name: String,
    /// The other standard claims, by name; see [`Profile`].
    pub profile: Profile,
    /// Moves when everything that was issued before must die.
    pub epoch: i64,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When what we tell of the user last changed.
    pub updated_at: DateTime<Utc>,
    /// When the user last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Since when the user may do nothing.
    pub disabled_at: Option<DateTime<Utc>>,
}

impl User {
    /// Who it is in tokens: the `sub` claim.
    pub fn subject(&self) -> String {
        self.imported_subject
            .clone()
            .unwrap_or_else(|| self.id.to_string())
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The longest name in characters.
pub const MAX_NAME_LENGTH: usize = 200;

/// The name to keep of what was typed: white space around it dropped. `None` if it is empty, too long, or has
/// control characters.
pub fn parse_name(text: &str) -> Option<String> {
    let name = text.trim();
    let fits = !name.is_empty() && name.chars().count() <= MAX_NAME_LENGTH;
    (fits && !name.chars().any(char::is_control)).then(|| name.to_owned())
}

/// Whether a text may stand for the address of a picture.
pub fn is_picture(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.chars().any(char::is_control)
}

/// The claims that a profile may hold, with the type of each (OpenID Connect Core 1.0 §5.1). `sub`, `name`,
/// `email`, `email_verified` and `updated_at` are columns of their own.
const PROFILE_CLAIMS: [(&str, Kind); 15] = [
    ("given_name", Kind::Text),
    ("family_name", Kind::Text),
    ("middle_name", Kind::Text),
    ("nickname", Kind::Text),
    ("preferred_username", Kind::Text),
    ("profile", Kind::Text),
    ("picture", Kind::Text),
    ("website", Kind::Text),
    ("gender", Kind::Text),
    ("birthdate", Kind::Text),
    ("zoneinfo", Kind::Text),
    ("locale", Kind::Text),
    ("phone_number", Kind::Text),
    ("phone_number_verified", Kind::Flag),
    ("address", Kind::Address),
];

/// The members of the `address` claim (OpenID Connect Core 1.0 §5.1.1).
const ADDRESS_MEMBERS: [&str; 6] = [
    "formatted",
    "street_address",
    "locality",
    "region",
    "postal_code",
    "country",
];

const MAX_TEXT: usize = 1024;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Flag,
    Address,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        let text = |value: &Value| value.as_str().is_some_and(|text| text.len() <= MAX_TEXT);
        match self {
            Self::Text => text(value),
            Self::Flag => value.is_boolean(),
            Self::Address => value.as_object().is_some_and(|address| {
                address
                    .iter()
                    .all(|(member, value)| ADDRESS_MEMBERS.contains(&&**member) && text(value))
            }),
        }
    }
}

/// Standard claims of a user, by name; each of the type that the standard gives it.
#[derive(Clone, Default, PartialEq)]
pub struct Profile(Map<String, Value>);

/// A claim that a profile cannot hold, by its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no standard claim of a profile, or its value has the wrong type")]
pub struct InvalidProfile(pub String);

impl Profile {
    /// Takes claims by name.
    ///
    /// # Errors
    /// With the first claim that is not standard or not of its type.
    pub fn new(claims: Map<String, Value>) -> Result<Self, InvalidProfile> {
        for (name, value) in &claims {
            let known = PROFILE_CLAIMS.iter().find(|(known, _)| known == name);
            if !known.is_some_and(|(_, kind)| kind.fits(value)) {
                return Err(InvalidProfile(name.clone()));
            }
        }
        Ok(Self(claims))
    }

    /// The address of a picture of the user.
    pub fn picture(&self) -> Option<&str> {
        self.0.get("picture")?.as_str()
    }

    /// The claims as the database takes them.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Profile")
    }
}

/// The claims that a scope stands for (OpenID Connect Core 1.0 §5.4).
fn claims_of_scope(scope: &str) -> &'static [&'static str] {
    match scope {
        "profile" => &[
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
        "email" => &["email", "email_verified"],
        "address" => &["address"],
        "phone" => &["phone_number", "phone_number_verified"],
        _ => &[],
    }
}

/// The claims that `scopes` stand for.
pub fn claims_of(scopes: &ScopeSet) -> impl Iterator<Item = &'static str> {
    scopes.iter().flat_map(claims_of_scope).copied()
}

/// Every claim about a user that can be told, for the metadata.
pub fn supported_claims() -> impl Iterator<Item = &'static str> {
    ["profile", "email", "address", "phone"]
        .into_iter()
        .flat_map(claims_of_scope)
        .copied()
}

/// Where claims are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimsPlace {
    /// The userinfo endpoint.
    Userinfo,
    /// The ID token.
    IdToken,
}

/// What is told of `user` in `place`: what the granted scopes stand for, and what the `claims` parameter
/// asks for there one by one (§5.5). A claim without a value is absent, never null.
pub fn claims(
    user: &User,
    scopes: &ScopeSet,
    requested: Option<&RequestedClaims>,
    place: ClaimsPlace,
) -> Map<String, Value> {
    let asked: Vec<&str> = requested.map_or_else(Vec::new, |requested| {
        let of = match place {
            ClaimsPlace::Userinfo => &requested.userinfo,
            ClaimsPlace::IdToken => &requested.id_token,
        };
        of.iter()
            .filter(|(name, request)| may_be_told(user, name, request.as_ref()))
            .map(|(name, _)| &**name)
            .collect()
    });
    let by_scope = scopes
        .iter()
        .flat_map(claims_of_scope)
        .map(|name| -> &str { name });
    by_scope
        .chain(asked)
        .filter_map(|name| Some((name.to_owned(), value(user, name)?)))
        .collect()
}

/// A claim that is asked for with a value is told only if it has that value (§5.5.1).
fn may_be_told(user: &User, name: &str, request: Option<&ClaimRequest>) -> bool {
    let Some(request) = request else { return true };
    let Some(actual) = value(user, name) else {
        return false;
    };
    let mut named = request
        .value
        .iter()
        .chain(request.values.iter().flatten())
        .peekable();
    named.peek().is_none() || named.any(|wanted| *wanted == actual)
}

fn value(user: &User, name: &str) -> Option<Value> {
    match name {
        "name" => Some(json!(user.name)),
        "email" => Some(json!(user.email)),
        "email_verified" => Some(json!(user.email_verified)),
        "updated_at" => Some(json!(user.updated_at.timestamp())),
        // A number that was not proven is told as such (§5.1).
        "phone_number_verified" => user
            .profile
            .0
            .contains_key("phone_number")
            .then(|| user.profile.0.get(name).cloned().unwrap_or(Value::Bool(false))),
        _ => user.profile.0.get(name).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> User {
        let Value::Object(profile) = json!({
            "given_name": "Ada", "locale": "en-GB", "phone_number": "+44 20 7946 0018",
            "address": {"country": "GB"},
        }) else {
            unreachable!("an object")
        };
        User {
            id: UserId::from(uuid::Uuid::nil()),
            imported_subject: None,
            email: "ada@example.org".into(),
            email_verified: true,
            name: "Ada Lovelace".into(),
            profile: Profile::new(profile).expect("a profile"),
            epoch: 0,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
            last_login_at: None,
            disabled_at: None,
        }
    }

    fn told(scope: &str, requested: Option<Value>, place: ClaimsPlace) -> Value {
        let scopes = ScopeSet::parse(scope).expect("a scope");
        let requested = requested.map(|json| serde_json::from_value(json).expect("a claims parameter"));
        Value::Object(claims(&user(), &scopes, requested.as_ref(), place))
    }

    #[test]
    fn scopes_tell_their_claims_and_absent_ones_are_not_null() {
        use ClaimsPlace::Userinfo;
        assert_eq!(told("openid", None, Userinfo), json!({}));
        assert_eq!(
            told("openid profile email phone address", None, Userinfo),
            json!({"name": "Ada Lovelace", "given_name": "Ada", "locale": "en-GB", "updated_at": 0,
                "email": "ada@example.org", "email_verified": true,
                "phone_number": "+44 20 7946 0018", "phone_number_verified": false,
                "address": {"country": "GB"}})
        );
    }

    #[test]
    fn the_claims_parameter_asks_for_single_claims_in_one_place() {
        let asks = json!({"id_token": {"email": null, "locale": {"value": "en-GB"},
            "given_name": {"values": ["Eve"]}, "nickname": {"essential": true}}});
        assert_eq!(
            told("openid", Some(asks.clone()), ClaimsPlace::IdToken),
            json!({"email": "ada@example.org", "locale": "en-GB"})
        );
        assert_eq!(told("openid", Some(asks), ClaimsPlace::Userinfo), json!({}));
    }

    #[test]
    fn a_profile_holds_standard_claims_of_their_type() {
        for (wrong, name) in [
            (json!({"sub": "x"}), "sub"),
            (json!({"email": "x"}), "email"),
            (json!({"locale": 1}), "locale"),
            (json!({"phone_number_verified": "yes"}), "phone_number_verified"),
            (json!({"address": {"planet": "Earth"}}), "address"),
        ] {
            let Value::Object(claims) = wrong else {
                unreachable!("objects")
            };
            assert_eq!(Profile::new(claims), Err(InvalidProfile(name.into())));
        }
    }

    #[test]
    fn a_user_is_printed_as_an_id_alone() {
        let printed = format!("{:?}", user());
        assert!(!printed.contains("ada") && !printed.contains("Ada"), "{printed}");
    }
}
