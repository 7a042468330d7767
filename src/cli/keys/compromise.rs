//! `signet keys compromise`: the key is gone for everyone who asks us; what is told is until when the others may
//! go on believing it.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::output::{Output, Record, or_dash, serialize_time, serialize_time_option, time};
use crate::cli::{CommandError, Shell};
use crate::domain::ids::FamilyId;
use crate::domain::key_schedule::Successor;
use crate::domain::mac::MacPurpose;
use crate::flows::keys::SetName;
use crate::flows::keys::confirmation::{self, Confirmations};
use crate::flows::keys::rotation::{Lost, Which};
use crate::server;
use crate::storage::Db;
use crate::storage::nodes::Node;
use crate::storage::token_families::{Minted, end_minted};

/// How many families one statement ends.
const BATCH: i64 = 1_000;
/// How often long work says how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// Which keys, and what else ends.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["kid", "all"]))]
pub struct Options {
    /// A signing key by its kid, or a MAC key as `signet keys list --mac` names it (`refresh_token/3`).
    // Every 64th thumbprint begins with a hyphen.
    #[arg(value_name = "KID", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Every key: the master key, or the memory of a server, was in wrong hands, or the master key is lost.
    #[arg(long)]
    all: bool,
    /// Also end the grants that were made while the key signed, so that their refresh tokens are dead.
    #[arg(long)]
    revoke_refresh: bool,
    /// How long to wait until every server has let go of it.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = humantime::parse_duration)]
    wait: Duration,
}

#[derive(Debug, Serialize)]
struct Outcome {
    compromised: Vec<LostKey>,
    successors: Vec<NewSigner>,
    #[serde(serialize_with = "serialize_time")]
    compromised_at: DateTime<Utc>,
    /// Until when a verifier that obeys our `Cache-Control` may accept what the lost keys sign.
    #[serde(serialize_with = "serialize_time_option")]
    believed_until: Option<DateTime<Utc>>,
    confirmed: Vec<ServingNode>,
    unconfirmed: Vec<ServingNode>,
    token_families_ended: Option<u64>,
}

#[derive(Debug, Serialize)]
struct LostKey {
    kid: String,
    set: &'static str,
    was: &'static str,
}

#[derive(Debug, Serialize)]
struct NewSigner {
    kid: String,
    set: &'static str,
    #[serde(serialize_with = "serialize_time_option")]
    unknown_until: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct ServingNode {
    node: String,
    #[serde(serialize_with = "serialize_time")]
    loaded_at: DateTime<Utc>,
    #[serde(serialize_with = "serialize_time")]
    seen_at: DateTime<Utc>,
}

impl From<Node> for ServingNode {
    fn from(node: Node) -> Self {
        Self {
            node: node.name,
            loaded_at: node.keys_loaded_at,
            seen_at: node.seen_at,
        }
    }
}

impl Record for Outcome {
    const COLUMNS: &'static [&'static str] = &[
        "compromised",
        "signs instead",
        "confirmed by",
        "not confirmed by",
        "forged tokens accepted until",
        "token families ended",
    ];

    fn cells(&self) -> Vec<String> {
        let names = |nodes: &[ServingNode]| {
            let names: Vec<_> = nodes.iter().map(|node| &*node.node).collect();
            or_dash(Some(names.join(" ")).filter(|names| !names.is_empty()))
        };
        let lost: Vec<_> = self.compromised.iter().map(|key| &*key.kid).collect();
        let new: Vec<_> = self.successors.iter().map(|key| &*key.kid).collect();
        vec![
            lost.join(" "),
            or_dash(Some(new.join(" ")).filter(|new| !new.is_empty())),
            names(&self.confirmed),
            names(&self.unconfirmed),
            self.believed_until.map_or_else(|| "unknown".to_owned(), time),
            or_dash(self.token_families_ended),
        ]
    }
}

/// Takes the keys out of everything and tells what that means.
pub async fn run(shell: &Shell, options: Options) -> Result<(), CommandError> {
    let output = shell.output;
    let which = if options.all {
        output.confirm("Every session, refresh token and client secret dies, and every token. Go on?")?;
        Which::All
    } else {
        Which::Named(options.kid.into_iter().collect())
    };
    let outcome = shell
        .with_database(async |place| {
            let masters = server::master_keys(&place.config.keys)?;
            let settings = server::key_settings(&place.config);
            let changed = place.rotation(&masters, &settings).compromise(&which).await?;
            tell_successors(output, &changed.successors);
            tell_what_dies(output, &changed.outcome);
            let ended = if options.revoke_refresh {
                Some(end_families(&place.db, output, &changed.outcome, changed.at).await?)
            } else {
                None
            };
            output.message("waiting for the servers to let go of it");
            let policy = &settings.policy;
            let confirmations =
                confirmation::wait(&place.db, policy, changed.revision, changed.at, options.wait).await?;
            let believed_until = confirmations.believed_until(policy, changed.at);
            tell_bound(output, &confirmations, believed_until);
            let Confirmations {
                confirmed,
                unconfirmed,
            } = confirmations;
            Ok(Outcome {
                compromised: changed
                    .outcome
                    .iter()
                    .map(|lost| LostKey {
                        kid: lost.set.outer_id(&lost.times.id),
                        set: lost.set.as_str(),
                        was: lost.times.state(changed.at).as_str(),
                    })
                    .collect(),
                successors: changed
                    .successors
                    .iter()
                    .map(|(name, successor)| NewSigner {
                        kid: name.outer_id(&successor.id),
                        set: name.as_str(),
                        unknown_until: successor.unknown_until,
                    })
                    .collect(),
                compromised_at: changed.at,
                believed_until,
                confirmed: confirmed.into_iter().map(ServingNode::from).collect(),
                unconfirmed: unconfirmed.into_iter().map(ServingNode::from).collect(),
                token_families_ended: ended,
            })
        })
        .await?;
    output.one(&outcome)
}

fn tell_successors(output: Output, successors: &[(SetName, Successor)]) {
    for (name, successor) in successors {
        if let (SetName::Signing(_), Some(until)) = (name, successor.unknown_until) {
            output.warning(&format!(
                "the {} key {} signs before every cache can know it: until {} a verifier may meet an unknown kid",
                name.as_str(),
                successor.id,
                time(until)
            ));
        }
    }
}

fn tell_what_dies(output: Output, lost: &[Lost]) {
    let has = |purpose| lost.iter().any(|lost| lost.set == SetName::Mac(purpose));
    if has(MacPurpose::RefreshToken) {
        output.warning("refresh tokens under the compromised MAC key are refused from now on");
    }
    if has(MacPurpose::SessionToken) || has(MacPurpose::Cookie) {
        output.warning("browsers whose cookies are under the compromised MAC key have to log in again");
    }
    if has(MacPurpose::ClientSecret) {
        output.warning(
            "client secrets under the compromised MAC key are refused from now on: \
             `signet clients rotate-secret` gives new ones",
        );
    }
}

fn tell_bound(output: Output, confirmations: &Confirmations, believed_until: Option<DateTime<Utc>>) {
    if let Some(until) = believed_until {
        output.message(&format!(
            "a verifier that obeys our Cache-Control accepts forged tokens until {} at the latest",
            time(until)
        ));
    }
    for node in &confirmations.unconfirmed {
        output.warning(&format!(
            "{} has not confirmed: it may serve the key still (last seen {})",
            node.name,
            time(node.seen_at)
        ));
    }
}

/// Ends what the lost keys minted: for a signing key the grants that began while it signed, for a key of refresh
/// tokens those whose newest token is under it.
async fn end_families(
    db: &Db,
    output: Output,
    lost: &[Lost],
    now: DateTime<Utc>,
) -> Result<u64, CommandError> {
    let (mut ended, mut told) = (0, Instant::now());
    for lost in lost {
        let minted = match lost.set {
            SetName::Signing(_) => {
                let Some(from) = lost.times.signing_at.filter(|from| *from <= now) else {
                    continue;
                };
                Minted {
                    from: Some(from),
                    until: lost.times.draining_at,
                    key_version: None,
                }
            }
            SetName::Mac(MacPurpose::RefreshToken) => Minted {
                from: None,
                until: None,
                key_version: lost.times.id.parse().ok(),
            },
            SetName::Mac(_) => continue,
        };
        let mut after = FamilyId::from(uuid::Uuid::nil());
        while let (count, Some(last)) = end_minted(db, &minted, after, BATCH, now).await? {
            ended += count;
            after = last;
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                output.message(&format!("{ended} token families ended so far"));
            }
        }
    }
    Ok(ended)
}
