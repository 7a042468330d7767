//! A logout that goes on to the provider that the session came by, where the operator wants that (OpenID Connect
//! RP-Initiated Logout 1.0): the browser ends its session there too, and comes back to go where it was going.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::tokens;
use crate::flows::provider::Provider;
use crate::flows::sessions::Present;
use crate::storage::{StorageError, sessions};

/// Where browsers come back to: `post_logout_redirect_uri` there.
pub const RETURN_PATH: &str = "/logout/returned";

/// How long a browser may be away.
const LIFETIME: TimeDelta = TimeDelta::minutes(10);

const PURPOSE: &str = "signet/federation/logout/v1";

/// Where a browser goes in the end. It is proven when the browser leaves, and kept by nobody but the browser.
#[derive(Serialize, Deserialize)]
struct Destination {
    to: Option<String>,
    exp: i64,
}

/// Where the browser of a session that has just ended goes before it goes `to` its destination. `None` if there is
/// nothing to end elsewhere, or the provider says nowhere where: our own logout never depends on it.
///
/// # Errors
/// When the database does not answer.
pub async fn onward(
    provider: &Provider,
    ended: &Present,
    to: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<String>, StorageError> {
    if provider.federation.entries().iter().all(|entry| !entry.logs_out) {
        return Ok(None);
    }
    let came_by = sessions::provider_of(&provider.db, ended.session.id).await?;
    let entry = came_by.and_then(|id| provider.federation.entry(&id));
    let Some(entry) = entry.filter(|entry| entry.logs_out) else {
        return Ok(None);
    };
    let identities = super::identities::list(provider, &ended.user).await?;
    let hint = identities
        .iter()
        .filter(|identity| identity.provider == entry.id())
        .find_map(|identity| tokens::kept(provider, identity)?.id_token);
    let back = provider.settings.url(RETURN_PATH);
    let state = write(provider, to, now);
    let url = entry
        .upstream
        .end_session_url(&back, &state, hint.as_ref(), now)
        .await;
    Ok(match url {
        Ok(url) => url.map(String::from),
        Err(error) => {
            tracing::warn!(
                provider.id = entry.id(),
                error = &error as &dyn std::error::Error,
                "a logout does not go on"
            );
            None
        }
    })
}

/// Where a browser that comes back was going; the outer `None` if its `state` is none of ours, or too old.
pub fn returned(provider: &Provider, state: &str, now: DateTime<Utc>) -> Option<Option<String>> {
    let (text, mac) = state.split_once('.')?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    let keys = provider.keys();
    let issuer = provider.settings.issuer.as_bytes();
    let is_ours = |key: &crate::domain::mac::MacKey| key.verifies(PURPOSE, &[issuer, text.as_bytes()], &mac);
    if !keys.mac.cookie.all().any(is_ours) {
        return None;
    }
    let destination: Destination = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    (now.timestamp() < destination.exp).then_some(destination.to)
}

fn write(provider: &Provider, to: Option<&str>, now: DateTime<Utc>) -> String {
    let destination = Destination {
        to: to.map(str::to_owned),
        exp: (now + LIFETIME).timestamp(),
    };
    let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&destination).expect("it is made of texts"));
    let keys = provider.keys();
    let (_, key) = keys.mac.cookie.current();
    let mac = key.mac(PURPOSE, &[provider.settings.issuer.as_bytes(), text.as_bytes()]);
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac))
}
