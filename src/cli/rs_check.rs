//! `signet rs-check`: attacks a resource server as a stranger would, and as an issuer gone mad would, since only
//! tokens that are rightly signed and wrong otherwise show whether claims are looked at.
//!
//! 1. A good token is made as the token endpoint makes it, and shown: whoever refuses it is not on trial.
//! 2. Every check of `checks` is made, one after the other, and judged by `trial`.
//! 3. The findings are printed; any failure is exit status 1.

mod checks;
mod jwks_requests;
mod lure;
mod material;
mod parties;
mod preparation;
mod trial;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::output::{or_dash, printable};
use super::shell::Workplace;
use super::{CommandError, Shell};
use crate::config::Config;
use crate::jose::forge;
use crate::outbound::{Client, Policy};
use crate::server;
use checks::{CONTROL, Check};
use jwks_requests::JwksRequests;
use lure::Lure;
use parties::Parties;
use preparation::{IssuersKeys, Stranger};
use trial::{Finding, Outcome, Trial};

/// The operator names the resource server, wherever it is. What it answers is not looked at, but may be long.
const POLICY: Policy = Policy {
    connect_timeout: Duration::from_secs(5),
    timeout: Duration::from_secs(10),
    max_body: 16 * 1024 * 1024,
    ..Policy::OPERATORS
};

/// What to attack, and with whose tokens.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A route of the resource server that answers GET with 2xx when the token is good.
    url: Url,
    /// The client whose tokens it accepts; may be left out where only one has any for this API.
    #[arg(long, value_name = "CLIENT")]
    token_for: Option<String>,
    /// The API's identifier; may be left out where only one API is registered. Several, if it accepts several.
    #[arg(long, value_name = "RESOURCE")]
    audience: Vec<String>,
    /// The user whom the tokens are about, by e-mail address or id; else the client itself.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// The private JWK of a key that left the JWKS, to see whether tokens of it are still believed.
    #[arg(long, value_name = "FILE")]
    withdrawn_key: Option<PathBuf>,
    /// /metrics of every node of the issuer, to count how often the JWKS is fetched; else that of `listen_ops` or
    /// `listen`.
    #[arg(long, value_name = "URL")]
    metrics: Vec<Url>,
}

/// What to try before a rotation, and with whose tokens.
#[derive(Debug, clap::Args)]
pub struct Drill {
    /// A route of the resource server that answers GET with 2xx when the token is good.
    #[arg(long, value_name = "URL")]
    resource_server: Url,
    /// The client whose tokens it accepts; may be left out where only one has any for this API.
    #[arg(long, value_name = "CLIENT")]
    token_for: Option<String>,
    /// The API's identifier; may be left out where only one API is registered.
    #[arg(long, value_name = "RESOURCE")]
    audience: Vec<String>,
    /// The user whom the tokens are about, by e-mail address or id; else the client itself.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

/// Makes all checks. Fails if any of them does.
pub async fn run(shell: &Shell, arguments: Arguments) -> Result<(), CommandError> {
    try_all(shell, &arguments, &checks::all().collect::<Vec<_>>()).await
}

/// Shows whether a resource server accepts a token of the announced key, before that key signs.
pub async fn drill(shell: &Shell, drill: Drill) -> Result<(), CommandError> {
    let arguments = Arguments {
        url: drill.resource_server,
        token_for: drill.token_for,
        audience: drill.audience,
        user: drill.user,
        withdrawn_key: None,
        metrics: Vec::new(),
    };
    try_all(shell, &arguments, &[checks::ROTATION]).await
}

async fn try_all(
    shell: &Shell,
    arguments: &Arguments,
    checks: &[&'static Check],
) -> Result<(), CommandError> {
    let findings = shell
        .with_database(async |place| attack(place, arguments, checks).await)
        .await?;
    shell.output.array(&findings, sheet)?;
    let count = |outcome| {
        findings
            .iter()
            .filter(|finding| finding.outcome == outcome)
            .count()
    };
    let (failed, skipped) = (count(Outcome::Fail), count(Outcome::Skipped));
    if skipped > 0 {
        shell.output.warning(&format!(
            "{skipped} of {} checks were skipped, and prove nothing",
            findings.len()
        ));
    }
    if findings[0].outcome != Outcome::Pass {
        let message =
            "the good token was not accepted: refusals would prove nothing, so nothing else was tried";
        return Err(CommandError::new("no_control", message).hint(CONTROL.fix));
    }
    if skipped == checks.len() {
        return Err(CommandError::new("nothing_tried", "nothing could be tried"));
    }
    if failed > 0 {
        let message = format!("{failed} of {} checks failed", findings.len());
        return Err(CommandError::new("insecure", message)
            .hint("docs/resource-servers.md says what to check, and shows servers that pass"));
    }
    Ok(())
}

async fn attack(
    place: &Workplace,
    arguments: &Arguments,
    checks: &[&'static Check],
) -> Result<Vec<Finding>, CommandError> {
    let now = place.now();
    let provider = server::open_provider(&place.config, &place.db).await?;
    let (client, user) = (arguments.token_for.as_deref(), arguments.user.as_deref());
    let parties = Parties::find(place, &provider, &arguments.audience, client, user).await?;
    let good = parties.good_token(&provider, now).await?;
    let loaded = provider.keys();
    let withdrawn = arguments.withdrawn_key.as_deref();
    let parts = forge::read(&good).map_err(|error| CommandError::caused("internal", &error))?;
    let issuers = IssuersKeys::around(&parts, &loaded, withdrawn, &place.config.keys, now)?;
    let stranger = Stranger::new(&issuers, place, now)?;
    let lure = Lure::set(&arguments.url, &stranger.jwk)
        .await
        .map_err(|error| CommandError::caused("listen", &error))?;
    let (material, keys) =
        preparation::material(place, parties, parts, issuers, stranger, lure.url(), now).await?;

    let http = Client::new(POLICY);
    let nodes = metrics_of(&place.config, &arguments.metrics);
    let jwks_uri = provider.settings.url("/.well-known/jwks.json");
    let trial = Trial {
        client: &http,
        url: &arguments.url,
        material: &material,
        keys: &keys,
        lure: &lure,
        jwks: &JwksRequests::of(&http, nodes, &jwks_uri).await,
    };
    judge(&trial, checks).await
}

/// The control, and if that holds, the checks.
async fn judge(trial: &Trial<'_>, checks: &[&'static Check]) -> Result<Vec<Finding>, CommandError> {
    trial.knock().await.map_err(|error| {
        CommandError::caused("unreachable", &error)
            .about(trial.url)
            .hint("does the resource server run, and is this one of its routes?")
    })?;
    let failed = |error| CommandError::caused("internal", &error);
    let mut findings = vec![trial.run(CONTROL).await.map_err(failed)?];
    if findings[0].outcome == Outcome::Pass {
        for check in checks {
            findings.push(trial.run(check).await.map_err(failed)?);
        }
    }
    Ok(findings)
}

/// Where the issuer's counters are: as named, or beside us as configured.
fn metrics_of(config: &Config, named: &[Url]) -> Vec<String> {
    if !named.is_empty() {
        return named.iter().map(Url::to_string).collect();
    }
    let mut listener = config.listen_ops.unwrap_or(config.listen);
    match listener.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    vec![format!("http://{listener}/metrics")]
}

/// For people: a line each, below it what was wrong or stood in the way, and what to do about a failure.
fn sheet(findings: &[Finding]) -> String {
    let width = findings
        .iter()
        .map(|finding| finding.check.len())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    let mut line = |outcome: &str, check: &str, status: &str, words: &str| {
        let _ = writeln!(text, "{outcome:7}  {check:width$}  {status:6}  {words}");
    };
    line("OUTCOME", "CHECK", "STATUS", "RISK, SHOULD IT FAIL");
    for finding in findings {
        let outcome = match finding.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Skipped => "skipped",
        };
        line(outcome, finding.check, &or_dash(finding.status), finding.risk);
        if let Some(detail) = &finding.detail {
            line("", "", "", &format!("→ {}", printable(detail)));
        }
        if finding.outcome == Outcome::Fail {
            line("", "", "", &format!("→ {}", finding.fix));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_failed_why_and_what_to_do() {
        let finding = |check, outcome, status, detail: Option<&str>| Finding {
            check,
            outcome,
            status,
            risk: "Somebody gets in.",
            fix: "Lock the door.",
            detail: detail.map(str::to_owned),
        };
        let text = sheet(&[
            finding("good-token", Outcome::Pass, Some(200), None),
            finding("alg-none", Outcome::Fail, None, Some("alg none:\naccepted (200)")),
            finding("revoked-kid", Outcome::Skipped, None, Some("no key was revoked")),
        ]);
        insta::assert_snapshot!(text, @r"
        OUTCOME  CHECK        STATUS  RISK, SHOULD IT FAIL
        pass     good-token   200     Somebody gets in.
        FAIL     alg-none     -       Somebody gets in.
                                      → alg none:�accepted (200)
                                      → Lock the door.
        skipped  revoked-kid  -       Somebody gets in.
                                      → no key was revoked
        ");
    }
}
