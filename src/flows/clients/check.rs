//! What a registration must fulfil, whatever it came through.

use super::{InvalidRegistration, Registration};
use crate::domain::client::ClientMetadata;
use crate::domain::ids::ClientId;
use crate::domain::resource::is_resource_identifier;
use crate::jose::{ClientKeys, InvalidClientJwks};
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::grant_type::GrantType;
use crate::oauth::redirect_uri;

/// The least length of a secret that is brought along.
const MIN_SECRET_LENGTH: usize = 32;

/// The longest name in characters; it stands on pages.
const MAX_NAME_LENGTH: usize = 200;

/// The checks of a whole registration, in order.
///
/// # Errors
/// With the first that fails.
pub fn registration(registration: &Registration, issuer: &str) -> Result<(), InvalidRegistration> {
    if let Some(id) = &registration.client_id {
        id_is_free_to_use(id, issuer)?;
    }
    if let Some(secret) = &registration.secret {
        secret_is_long_enough(secret.expose())?;
    }
    metadata(&registration.metadata)
}

/// The checks of what a client registers, in order.
///
/// # Errors
/// With the first that fails.
pub fn metadata(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    name_can_be_shown(metadata)?;
    redirect_uris_are_safe(metadata)?;
    logouts_can_be_told(metadata)?;
    grants_fit_the_method(metadata)?;
    keys_fit_the_method(metadata)?;
    pkce_may_be_optional(metadata)?;
    resources_are_identifiers(metadata)
}

/// `sub` is a UUID for users and the `client_id` for clients, and `aud` may be either: none may pass for another.
fn id_is_free_to_use(id: &str, issuer: &str) -> Result<(), InvalidRegistration> {
    ClientId::try_from(id.to_owned()).map_err(|error| InvalidRegistration::metadata(error.to_string()))?;
    if uuid::Uuid::try_parse(id).is_ok() {
        return Err(InvalidRegistration::metadata(
            "a client_id must not have the form of a UUID: users have",
        ));
    }
    if id == issuer || id.trim_end_matches('/') == issuer.trim_end_matches('/') {
        return Err(InvalidRegistration::metadata(
            "a client_id must not be the issuer",
        ));
    }
    Ok(())
}

fn secret_is_long_enough(secret: &str) -> Result<(), InvalidRegistration> {
    let printable = secret.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    if secret.len() >= MIN_SECRET_LENGTH && printable {
        Ok(())
    } else {
        Err(InvalidRegistration::metadata(
            "a client_secret has 32 characters or more, all printable ASCII",
        ))
    }
}

fn name_can_be_shown(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let name = &metadata.client_name;
    if name.chars().count() > MAX_NAME_LENGTH || name.chars().any(char::is_control) {
        return Err(InvalidRegistration::metadata(
            "client_name has 200 characters at most and no control characters",
        ));
    }
    Ok(())
}

fn redirect_uris_are_safe(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    for uri in metadata
        .redirect_uris
        .iter()
        .chain(&metadata.post_logout_redirect_uris)
    {
        redirect_uri::check(uri)
            .map_err(|error| InvalidRegistration::redirect_uri(format!("{uri}: {error}")))?;
    }
    if metadata.redirect_uris.is_empty() && metadata.grant_types.contains(&GrantType::AuthorizationCode) {
        return Err(InvalidRegistration::redirect_uri(
            "authorization_code needs a redirect URI",
        ));
    }
    Ok(())
}

/// OpenID Connect Back-Channel Logout 1.0 §2.2: an absolute URI without a fragment, and one that a server can call.
/// Logout tokens name users and sessions, so they do not travel in the clear.
fn logouts_can_be_told(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let Some(uri) = &metadata.backchannel_logout_uri else {
        return Ok(());
    };
    let refused =
        |reason: &str| InvalidRegistration::metadata(format!("backchannel_logout_uri: {uri}: {reason}"));
    redirect_uri::check(uri).map_err(|error| refused(&error.to_string()))?;
    if redirect_uri::origin(uri).is_none() {
        return Err(refused("no server can call this scheme; use https"));
    }
    Ok(())
}

fn grants_fit_the_method(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let public = metadata.token_endpoint_auth_method == AuthMethod::None;
    if public && metadata.grant_types.contains(&GrantType::ClientCredentials) {
        // RFC 6749 §4.4: only confidential clients.
        return Err(InvalidRegistration::metadata(
            "client_credentials is for confidential clients alone",
        ));
    }
    if public && !metadata.refresh_token_rotation {
        // RFC 9700 §4.14.2: a public client's refresh tokens rotate.
        return Err(InvalidRegistration::metadata(
            "refresh tokens of a public client rotate",
        ));
    }
    Ok(())
}

fn keys_fit_the_method(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let needed = metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
    let Some(jwks) = &metadata.jwks else {
        return if needed {
            Err(InvalidRegistration::metadata(
                "private_key_jwt needs the client's public keys in jwks (jwks_uri is not supported)",
            ))
        } else {
            Ok(())
        };
    };
    match ClientKeys::parse(jwks) {
        Ok(_) => Ok(()),
        // A client that proves itself otherwise may have keys for other uses.
        Err(InvalidClientJwks::NoneUsable) if !needed => Ok(()),
        Err(reason) => Err(InvalidRegistration::metadata(reason.to_string())),
    }
}

/// PKCE protects public clients from code interception, and others from injection; where it is missing,
/// client authentication and the `nonce` of OpenID Connect must stand in.
fn pkce_may_be_optional(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let confidential = metadata.token_endpoint_auth_method != AuthMethod::None;
    if metadata.require_pkce || confidential && metadata.scope.contains("openid") {
        Ok(())
    } else {
        Err(InvalidRegistration::metadata(
            "PKCE is optional for confidential clients with the scope openid alone",
        ))
    }
}

fn resources_are_identifiers(metadata: &ClientMetadata) -> Result<(), InvalidRegistration> {
    let mut listed = metadata.resources.iter().flatten();
    match listed.find(|resource| !is_resource_identifier(resource)) {
        Some(wrong) => Err(InvalidRegistration::metadata(format!(
            "{wrong} is no resource: an absolute URI without fragment"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::metadata::parse;
    use super::*;
    use crate::oauth::error_code::ErrorCode;

    const ISSUER: &str = "https://id.example";

    fn refusal(changes: serde_json::Value) -> Option<ErrorCode> {
        let mut document = json!({"redirect_uris": ["https://app.example/cb"], "client_name": "App"});
        for (member, value) in changes.as_object().expect("an object") {
            document[member] = value.clone();
        }
        let (parsed, _) = parse(&document).expect("the types are right");
        registration(&parsed, ISSUER).err().map(|error| error.code)
    }

    #[test]
    fn a_client_id_passes_for_nobody_else() {
        for id in [
            "67e55044-10b1-426f-9247-bb680e5fe0c8",
            "67E5504410B1426F9247BB680E5FE0C8",
            "urn:uuid:67e55044-10b1-426f-9247-bb680e5fe0c8",
            "https://id.example",
            "https://id.example/",
            "",
            "é",
        ] {
            let code = refusal(json!({"client_id": id}));
            assert_eq!(code, Some(ErrorCode::InvalidClientMetadata), "{id}");
        }
        assert_eq!(refusal(json!({"client_id": "https://app.example/client"})), None);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let metadata = Some(ErrorCode::InvalidClientMetadata);
        let redirect = Some(ErrorCode::InvalidRedirectUri);
        let private = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}]});
        for (changes, code) in [
            (json!({}), None),
            (json!({"redirect_uris": []}), redirect),
            (json!({"redirect_uris": ["http://app.example/cb"]}), redirect),
            (json!({"post_logout_redirect_uris": ["javascript:x"]}), redirect),
            (
                json!({"backchannel_logout_uri": "https://app.example/logout?tenant=1"}),
                None,
            ),
            (
                json!({"backchannel_logout_uri": "http://127.0.0.1:8081/logout"}),
                None,
            ),
            (
                json!({"backchannel_logout_uri": "http://app.example/logout"}),
                metadata,
            ),
            (
                json!({"backchannel_logout_uri": "https://app.example/logout#x"}),
                metadata,
            ),
            (
                json!({"backchannel_logout_uri": "https://user@app.example/"}),
                metadata,
            ),
            (
                json!({"backchannel_logout_uri": "com.example.app:/logout"}),
                metadata,
            ),
            (json!({"backchannel_logout_uri": "/logout"}), metadata),
            (
                json!({"redirect_uris": [], "grant_types": ["client_credentials"]}),
                None,
            ),
            (
                json!({"grant_types": ["client_credentials"], "token_endpoint_auth_method": "none"}),
                metadata,
            ),
            (
                json!({"refresh_token_rotation": false, "token_endpoint_auth_method": "none"}),
                metadata,
            ),
            (json!({"refresh_token_rotation": false}), None),
            (json!({"require_pkce": false}), None),
            (json!({"require_pkce": false, "scope": "email"}), metadata),
            (
                json!({"require_pkce": false, "token_endpoint_auth_method": "none"}),
                metadata,
            ),
            (json!({"token_endpoint_auth_method": "private_key_jwt"}), metadata),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": private}),
                metadata,
            ),
            (
                json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}}),
                metadata,
            ),
            (json!({"client_secret": "too short"}), metadata),
            (json!({"client_secret": "x".repeat(32)}), None),
            (json!({"client_name": "\u{1b}[31m"}), metadata),
            (json!({"resources": ["not a URI"]}), metadata),
        ] {
            assert_eq!(refusal(changes.clone()), code, "{changes}");
        }
    }
}
