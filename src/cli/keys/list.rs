//! `signet keys list` and `signet keys plan`: where keys stand, and what is to come.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::output::{Record, or_dash, serialize_time, serialize_time_option, time};
use crate::cli::shell::Workplace;
use crate::cli::{CommandError, Shell};
use crate::domain::key_schedule::Change;
use crate::domain::signing_key::{StoredMacKey, StoredSigningKey};
use crate::flows::keys::transfer;
use crate::flows::keys::{KeySettings, SetName, sets};
use crate::server;
use crate::storage::keys::{list_mac_keys, list_signing_keys};

/// What MAC keys make: HMAC-SHA-256 by its name of RFC 7518 §3.2.
const MAC_ALG: &str = "HS256";

/// Which keys are looked at.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// The MAC keys (refresh tokens, sessions, client secrets, cookies) instead of the signing keys.
    #[arg(long)]
    mac: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct ListedKey {
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
    fn of(key: StoredSigningKey, plan: &[Change], now: DateTime<Utc>) -> Self {
        let state = key.state(now);
        let next = plan.iter().find(|change| change.id == key.kid);
        Self {
            alg: key.algorithm.as_str(),
            state: state.as_str(),
            published_at: key.published_at,
            signing_at: key.signing_at,
            draining_at: key.draining_at,
            retired_at: key.retired_at,
            compromised_at: key.compromised_at,
            next_state: next.map(|change| change.to.as_str()),
            next_change_at: next.map(|change| change.at),
            master_key: key.master_key,
            location: key.location,
            kid: key.kid,
        }
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

impl ListedKey {
    fn of_mac(key: StoredMacKey, plan: &[Change], now: DateTime<Utc>) -> Self {
        let times = key.times();
        let next = plan.iter().find(|change| change.id == times.id);
        Self {
            kid: SetName::Mac(key.purpose).outer_id(&times.id),
            alg: MAC_ALG,
            state: times.state(now).as_str(),
            published_at: times.published_at,
            signing_at: times.signing_at,
            draining_at: times.draining_at,
            retired_at: times.retired_at,
            compromised_at: times.compromised_at,
            next_state: next.map(|change| change.to.as_str()),
            next_change_at: next.map(|change| change.at),
            master_key: key.master_key,
            location: "database".to_owned(),
        }
    }
}

/// One signing key as it is listed.
pub(super) async fn announced(place: &Workplace, kid: &str) -> Result<ListedKey, CommandError> {
    let (now, settings) = (place.now(), server::key_settings(&place.config));
    let plans = plans(place, &settings, now).await?;
    let key = transfer::find(&place.db, kid).await?;
    let found = plans
        .iter()
        .find(|(name, _)| *name == SetName::Signing(key.algorithm));
    let plan = found.map_or(&[][..], |(_, plan)| plan);
    Ok(ListedKey::of(key, plan, now))
}

/// Lists keys, in the order of their publication.
pub async fn list(shell: &Shell, which: Which) -> Result<(), CommandError> {
    let listed = shell
        .with_database(async |place| {
            let (now, settings) = (place.now(), server::key_settings(&place.config));
            let plans = plans(place, &settings, now).await?;
            let plan_of = |name| {
                let found = plans.iter().find(|(known, _)| *known == name);
                found.map_or(&[][..], |(_, plan)| plan)
            };
            let mut listed: Vec<_> = if which.mac {
                let keys = list_mac_keys(&place.db).await?.into_iter();
                keys.map(|key| {
                    let plan = plan_of(SetName::Mac(key.purpose));
                    ListedKey::of_mac(key, plan, now)
                })
                .collect()
            } else {
                let keys = list_signing_keys(&place.db).await?.into_iter();
                keys.map(|key| {
                    let plan = plan_of(SetName::Signing(key.algorithm));
                    ListedKey::of(key, plan, now)
                })
                .collect()
            };
            listed.sort_by_key(|key| key.published_at);
            Ok(listed)
        })
        .await?;
    shell.output.list(&listed)
}

/// A change that is to come.
#[derive(Debug, Serialize)]
struct PlannedChange {
    #[serde(serialize_with = "serialize_time")]
    at: DateTime<Utc>,
    kid: String,
    alg: &'static str,
    from: &'static str,
    to: &'static str,
    #[serde(serialize_with = "serialize_time")]
    earliest_at: DateTime<Utc>,
    reason: &'static str,
}

impl PlannedChange {
    fn of(name: SetName, change: Change) -> Self {
        Self {
            at: change.at,
            kid: name.outer_id(&change.id),
            alg: match name {
                SetName::Signing(algorithm) => algorithm.as_str(),
                SetName::Mac(_) => MAC_ALG,
            },
            from: change.from.as_str(),
            to: change.to.as_str(),
            earliest_at: change.earliest_at,
            reason: change.reason.as_str(),
        }
    }
}

impl Record for PlannedChange {
    const COLUMNS: &'static [&'static str] =
        &["at", "alg", "kid", "from", "to", "earliest", "why not earlier"];

    fn cells(&self) -> Vec<String> {
        vec![
            time(self.at),
            self.alg.to_owned(),
            self.kid.clone(),
            self.from.to_owned(),
            self.to.to_owned(),
            time(self.earliest_at),
            self.reason.to_owned(),
        ]
    }
}

/// Shows what happens if nobody does anything.
pub async fn plan(shell: &Shell, which: Which) -> Result<(), CommandError> {
    let planned = shell
        .with_database(async |place| {
            let settings = server::key_settings(&place.config);
            let mut planned = Vec::new();
            for (name, changes) in plans(place, &settings, place.now()).await? {
                if matches!(name, SetName::Mac(_)) == which.mac {
                    let changes = changes.into_iter();
                    planned.extend(changes.map(|change| PlannedChange::of(name, change)));
                }
            }
            planned.sort_by_key(|change| change.at);
            Ok(planned)
        })
        .await?;
    shell.output.list(&planned)
}

async fn plans(
    place: &Workplace,
    settings: &KeySettings,
    now: DateTime<Utc>,
) -> Result<Vec<(SetName, Vec<Change>)>, CommandError> {
    let sets = sets(&place.db, settings).await?;
    let planned = sets
        .into_iter()
        .map(|(name, set)| (name, set.plan(&settings.policy, now)));
    Ok(planned.collect())
}
