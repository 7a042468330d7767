//! `signet keys`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::output::{Record, or_dash, serialize_time, serialize_time_option, time};
use super::{CommandError, Shell};
use crate::domain::key_state::KeyState;
use crate::domain::signing_key::StoredSigningKey;
use crate::storage::keys;

/// What to do with signing keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeysCommand {
    /// List all signing keys with their states and times.
    List,
}

#[derive(Debug, Serialize)]
struct ListedKey {
    kid: String,
    alg: &'static str,
    state: &'static str,
    #[serde(serialize_with = "serialize_time")]
    published_at: DateTime<Utc>,
    #[serde(serialize_with = "serialize_time_option")]
    signing_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "serialize_time_option")]
    draining_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "serialize_time_option")]
    retired_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "serialize_time_option")]
    compromised_at: Option<DateTime<Utc>>,
    next_state: Option<&'static str>,
    #[serde(serialize_with = "serialize_time_option")]
    next_change_at: Option<DateTime<Utc>>,
    master_key: String,
    location: String,
}

impl ListedKey {
    fn of(key: StoredSigningKey, now: DateTime<Utc>) -> Self {
        let state = key.state(now);
        let next = next_change(&key, state);
        Self {
            alg: key.algorithm.as_str(),
            state: state.as_str(),
            published_at: key.published_at,
            signing_at: key.signing_at,
            draining_at: key.draining_at,
            retired_at: key.retired_at,
            compromised_at: key.compromised_at,
            next_state: next.map(|(state, _)| state.as_str()),
            next_change_at: next.and_then(|(_, at)| at),
            master_key: key.master_key,
            location: key.location,
            kid: key.kid,
        }
    }
}

/// The state that follows, and when if that is settled; `None` for a key whose life is over.
fn next_change(key: &StoredSigningKey, state: KeyState) -> Option<(KeyState, Option<DateTime<Utc>>)> {
    match state {
        KeyState::Announced => Some((KeyState::Signing, key.signing_at)),
        KeyState::Signing => Some((KeyState::Draining, key.draining_at)),
        KeyState::Draining => Some((KeyState::Retired, key.retired_at)),
        KeyState::Retired | KeyState::Compromised => None,
    }
}

impl Record for ListedKey {
    const COLUMNS: &'static [&'static str] =
        &["kid", "alg", "state", "published", "next", "at", "master key"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.kid.clone(),
            self.alg.to_owned(),
            self.state.to_owned(),
            time(self.published_at),
            or_dash(self.next_state),
            or_dash(self.next_change_at.map(time)),
            self.master_key.clone(),
        ]
    }
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: KeysCommand) -> Result<(), CommandError> {
    match command {
        KeysCommand::List => {
            let listed = shell
                .with_database(async |place| {
                    let now = place.now();
                    let keys = keys::list_signing_keys(&place.db).await?;
                    Ok(keys
                        .into_iter()
                        .map(|key| ListedKey::of(key, now))
                        .collect::<Vec<_>>())
                })
                .await?;
            shell.output.list(&listed)
        }
    }
}
