//! Reading client metadata as RFC 7591 §2 writes it. What Signet does not support is dropped with a
//! warning; what contradicts itself is refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{InvalidRegistration, Registration};
use crate::domain::client::{ApplicationType, ClientMetadata};
use crate::domain::secret::Secret;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::error_code::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// Members that say nothing to us and are no loss: what an earlier registration answered, and what always
/// holds here.
const IGNORED: [&str; 5] = [
    "client_id_issued_at",
    "client_secret_expires_at",
    "created_at",
    "updated_at",
    "require_auth_time",
];

/// Reads one object of metadata. The second part are warnings: one sentence for each member or value that
/// was dropped.
///
/// # Errors
/// When it is no object, or a member has the wrong type.
pub fn parse(document: &Value) -> Result<(Registration, Vec<String>), InvalidRegistration> {
    let Value::Object(members) = document else {
        return Err(InvalidRegistration::metadata("client metadata is a JSON object"));
    };
    let mut reader = Reader::new(members);
    let registration = reader.registration()?;
    let warnings = reader.finish();
    Ok((registration, warnings))
}

/// The scopes of a client that names none: all about the user, where a user is there.
pub fn default_scope(grants: &BTreeSet<GrantType>) -> ScopeSet {
    if grants.contains(&GrantType::AuthorizationCode) {
        ScopeSet::from_tokens(IDENTITY_SCOPES).expect("the standard's scopes are scopes")
    } else {
        ScopeSet::default()
    }
}

/// Takes members out of the document; what is left at the end was not understood.
struct Reader<'a> {
    left: Map<String, Value>,
    name: Option<&'a str>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// RFC 7591 §2 lets a `null` stand for an absent member.
    fn new(members: &'a Map<String, Value>) -> Self {
        let mut left = members.clone();
        left.retain(|name, value| !value.is_null() && !IGNORED.contains(&name.as_str()));
        Self {
            left,
            name: members.get("client_id").and_then(Value::as_str),
            warnings: Vec::new(),
        }
    }

    fn registration(&mut self) -> Result<Registration, InvalidRegistration> {
        let client_id = self.text("client_id")?;
        let auth_method = self
            .known("token_endpoint_auth_method", AuthMethod::parse)?
            .unwrap_or(AuthMethod::ClientSecretBasic);
        let grant_types: BTreeSet<GrantType> = match self.texts("grant_types")? {
            Some(grants) => grants
                .iter()
                .filter_map(|grant| self.or_warn("grant_types", grant, GrantType::parse(grant)))
                .collect(),
            None => BTreeSet::from([GrantType::AuthorizationCode]),
        };
        for kind in self.texts("response_types")?.unwrap_or_default() {
            self.or_warn("response_types", &kind, (kind == "code").then_some(()));
        }
        self.known("subject_type", |kind| (kind == "public").then_some(()))?;
        let scope = match self.text("scope")? {
            Some(scope) => ScopeSet::parse(&scope)
                .map_err(|error| InvalidRegistration::metadata(format!("scope: {error}")))?,
            None => default_scope(&grant_types),
        };
        let secret = self.text("client_secret")?;
        if secret.is_some() && !auth_method.needs_secret() {
            self.warn(format!(
                "client_secret was dropped: {} needs none",
                auth_method.as_str()
            ));
        }
        let metadata = ClientMetadata {
            client_name: self.text("client_name")?.unwrap_or_default(),
            application_type: self
                .known("application_type", |kind| match kind {
                    "web" => Some(ApplicationType::Web),
                    "native" => Some(ApplicationType::Native),
                    _ => None,
                })?
                .unwrap_or(ApplicationType::Web),
            token_endpoint_auth_method: auth_method,
            redirect_uris: self.texts("redirect_uris")?.unwrap_or_default(),
            post_logout_redirect_uris: self.texts("post_logout_redirect_uris")?.unwrap_or_default(),
            backchannel_logout_uri: self.text("backchannel_logout_uri")?,
            backchannel_logout_session_required: self
                .flag("backchannel_logout_session_required")?
                .unwrap_or(false),
            scope,
            resources: self.texts("resources")?,
            first_party: self.flag("first_party")?.unwrap_or(false),
            require_pkce: self.flag("require_pkce")?.unwrap_or(true),
            refresh_token_rotation: self.flag("refresh_token_rotation")?.unwrap_or(true),
            id_token_signed_response_alg: self
                .known("id_token_signed_response_alg", SigningAlgorithm::parse)?
                .unwrap_or(SigningAlgorithm::Rs256),
            jwks: self.left.remove("jwks"),
            default_max_age: self.seconds("default_max_age")?,
            client_uri: self.page("client_uri")?,
            policy_uri: self.page("policy_uri")?,
            tos_uri: self.page("tos_uri")?,
            grant_types,
        };
        Ok(Registration {
            client_id,
            secret: secret.filter(|_| auth_method.needs_secret()).map(Secret::new),
            metadata,
        })
    }

    fn finish(mut self) -> Vec<String> {
        for member in std::mem::take(&mut self.left).keys() {
            self.warn(format!("{member} was dropped: it is not supported"));
        }
        self.warnings
    }

    fn text(&mut self, member: &str) -> Result<Option<String>, InvalidRegistration> {
        match self.left.remove(member) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong_type(member, "a string")),
        }
    }

    fn texts(&mut self, member: &str) -> Result<Option<Vec<String>>, InvalidRegistration> {
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong_type(member, "an array of strings")),
        };
        match self.left.remove(member) {
            None => Ok(None),
            Some(Value::Array(values)) => values.into_iter().map(text).collect::<Result<_, _>>().map(Some),
            Some(_) => Err(wrong_type(member, "an array of strings")),
        }
    }

    fn flag(&mut self, member: &str) -> Result<Option<bool>, InvalidRegistration> {
        match self.left.remove(member) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong_type(member, "true or false")),
        }
    }

    fn seconds(&mut self, member: &str) -> Result<Option<u32>, InvalidRegistration> {
        match self.left.remove(member) {
            None => Ok(None),
            Some(value) => value
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok())
                .map(Some)
                .ok_or_else(|| wrong_type(member, "a number of seconds")),
        }
    }

    /// A value out of a closed list; one that is not in it is dropped.
    fn known<T>(
        &mut self,
        member: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, InvalidRegistration> {
        let text = self.text(member)?;
        Ok(text.and_then(|text| self.or_warn(member, &text, parse(&text))))
    }

    /// The address of a page that people are shown a link to; other schemes would run as script there.
    fn page(&mut self, member: &str) -> Result<Option<String>, InvalidRegistration> {
        let web =
            |text: &str| url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
        self.known(member, |text| web(text).then(|| text.to_owned()))
    }

    fn or_warn<T>(&mut self, member: &str, value: &str, parsed: Option<T>) -> Option<T> {
        if parsed.is_none() {
            self.warn(format!("{member}: {value:?} was dropped: it is not supported"));
        }
        parsed
    }

    fn warn(&mut self, text: String) {
        self.warnings.push(match self.name {
            Some(name) => format!("client {name}: {text}"),
            None => text,
        });
    }
}

fn wrong_type(member: &str, expected: &str) -> InvalidRegistration {
    let code = if member == "redirect_uris" {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    InvalidRegistration::new(code, format!("{member} is {expected}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_almost_empty_document_gets_the_defaults_of_the_standard() {
        let (registration, warnings) =
            parse(&json!({"redirect_uris": ["https://app.example/cb"]})).expect("it is metadata");
        let metadata = registration.metadata;
        assert!(warnings.is_empty(), "{warnings:?}");
        assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
        assert_eq!(
            metadata.grant_types,
            BTreeSet::from([GrantType::AuthorizationCode])
        );
        assert_eq!(metadata.id_token_signed_response_alg, SigningAlgorithm::Rs256);
        assert!(metadata.require_pkce && !metadata.first_party);
        assert_eq!(
            metadata.scope.to_string(),
            "openid profile email address phone offline_access"
        );
    }

    #[test]
    fn what_is_not_supported_is_dropped_with_a_warning() {
        let (registration, warnings) = parse(&json!({
            "client_id": "moved",
            "client_name": "Moved",
            "client_name#ja": "移動",
            "grant_types": ["authorization_code", "implicit"],
            "response_types": ["code", "id_token token"],
            "token_endpoint_auth_method": "none",
            "client_secret": "a secret that nobody will ever ask for",
            "subject_type": "pairwise",
            "policy_uri": "javascript:alert(1)",
            "logo_uri": null,
            "redirect_uris": [],
        }))
        .expect("it is metadata");
        assert_eq!(
            warnings,
            [
                "client moved: grant_types: \"implicit\" was dropped: it is not supported",
                "client moved: response_types: \"id_token token\" was dropped: it is not supported",
                "client moved: subject_type: \"pairwise\" was dropped: it is not supported",
                "client moved: client_secret was dropped: none needs none",
                "client moved: policy_uri: \"javascript:alert(1)\" was dropped: it is not supported",
                "client moved: client_name#ja was dropped: it is not supported",
            ]
        );
        assert!(registration.secret.is_none());
        assert_eq!(registration.metadata.policy_uri, None);
    }

    #[test]
    fn a_member_of_the_wrong_type_is_refused() {
        for (document, code) in [
            (json!([]), ErrorCode::InvalidClientMetadata),
            (json!({"client_name": 1}), ErrorCode::InvalidClientMetadata),
            (
                json!({"redirect_uris": "https://app.example/cb"}),
                ErrorCode::InvalidRedirectUri,
            ),
            (json!({"grant_types": [1]}), ErrorCode::InvalidClientMetadata),
            (json!({"default_max_age": -1}), ErrorCode::InvalidClientMetadata),
            (json!({"first_party": "yes"}), ErrorCode::InvalidClientMetadata),
        ] {
            let error = parse(&document).expect_err("it is no metadata");
            assert_eq!(error.code, code, "{document}");
        }
    }
}
