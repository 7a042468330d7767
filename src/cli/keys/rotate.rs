//! `signet keys rotate`.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::algorithm;
use crate::cli::output::{Record, serialize_time, time};
use crate::cli::{CommandError, Shell};
use crate::domain::key_schedule::Rotated;
use crate::flows::keys::SetName;
use crate::flows::keys::rotation::Demand;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::server;

/// How far, and which.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Now, or not at all: refused before every verifier can know the next key.
    #[arg(long)]
    now: bool,
    /// Only the keys of this algorithm.
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    alg: Option<SigningAlgorithm>,
}

#[derive(Debug, Serialize)]
struct Rotation {
    alg: &'static str,
    kid: String,
    state: &'static str,
    #[serde(serialize_with = "serialize_time")]
    signing_at: DateTime<Utc>,
}

impl Rotation {
    fn of(name: SetName, rotated: Rotated, now: DateTime<Utc>) -> Self {
        let (kid, state, signing_at) = match rotated {
            Rotated::Now(kid) => (kid, "signing", now),
            Rotated::At(kid, at) => (kid, "announced", at),
        };
        Self {
            alg: name.as_str(),
            kid,
            state,
            signing_at,
        }
    }
}

impl Record for Rotation {
    const COLUMNS: &'static [&'static str] = &["alg", "next kid", "state", "signs from"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.alg.to_owned(),
            self.kid.clone(),
            self.state.to_owned(),
            time(self.signing_at),
        ]
    }
}

/// Advances the signing keys and says what happens when.
pub async fn run(shell: &Shell, options: &Options) -> Result<(), CommandError> {
    let demand = if options.now { Demand::Now } else { Demand::Safe };
    let rotated = shell
        .with_database(async |place| {
            let masters = place.ensure_first_keys().await?;
            let settings = server::key_settings(&place.config);
            let changed = place
                .rotation(&masters, &settings)
                .rotate(options.alg, demand)
                .await?;
            let of = |(name, rotated)| Rotation::of(name, rotated, changed.at);
            Ok(changed.outcome.into_iter().map(of).collect::<Vec<_>>())
        })
        .await?;
    if rotated.iter().any(|rotation| rotation.state == "announced") {
        let output = shell.output;
        output.message(
            "what cannot sign yet does so by itself at the time that is told; nothing is left to do",
        );
    }
    shell.output.list(&rotated)
}
