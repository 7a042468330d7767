//! `signet doctor`: looks at everything that a server needs, changes nothing, and says what to do.

mod providers;

use std::fmt::Write;
use std::time::Instant;

use chrono::TimeDelta;
use serde::Serialize;

use super::{CommandError, Shell};
use crate::config::{Config, Loaded, MasterKeySource};
use crate::flows::keys;
use crate::jose::pkcs11::Pkcs11Token;
use crate::jose::wrap::MasterKey;
use crate::mail::smtp::OpenError;
use crate::server::{self, Database, Role};
use crate::storage;

/// Nothing but the configuration decides what is looked at.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Failed,
}

#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    message: String,
    hint: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Ok,
            message: message.into(),
            hint: None,
        }
    }

    fn warning(check: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            check,
            status: Status::Warning,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    fn failed(check: &'static str, error: impl Into<CommandError>) -> Self {
        let error = error.into();
        Self {
            check,
            status: Status::Failed,
            message: error.message,
            hint: error.hint,
        }
    }
}

/// For people: a line each, with what to do below it.
fn sheet(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let status = match finding.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Failed => "FAILED",
        };
        let message = finding.message.replace('\n', " ");
        let _ = writeln!(text, "{status:8} {:14} {message}", finding.check);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "{:23} → {hint}", "");
        }
    }
    text
}

/// Looks at everything. Fails if anything is wrong; a warning is not.
pub async fn run(shell: &Shell, _arguments: Arguments) -> Result<(), CommandError> {
    let mut findings = Vec::new();
    match shell.load() {
        Ok(loaded) => {
            configuration(&loaded, &mut findings);
            let masters = master_key(&loaded.config, &mut findings);
            let token = token(&loaded.config, &mut findings).await;
            database(&loaded.config, masters.as_deref(), token.as_ref(), &mut findings).await;
            if let Some(token) = token {
                token.close().await;
            }
            mail(&loaded.config, &mut findings).await;
            providers::check(&loaded.config, &mut findings).await;
        }
        Err(error) => findings.push(Finding::failed("configuration", error)),
    }
    shell.output.array(&findings, sheet)?;
    let failed = findings
        .iter()
        .filter(|finding| finding.status == Status::Failed)
        .count();
    match failed {
        0 => Ok(()),
        1 => Err(CommandError::new("unhealthy", "one thing is wrong")),
        many => Err(CommandError::new("unhealthy", format!("{many} things are wrong"))),
    }
}

fn configuration(loaded: &Loaded, findings: &mut Vec<Finding>) {
    let source = match &loaded.file {
        Some(file) => format!("read from {}", file.display()),
        None => "no file: defaults and variables".to_owned(),
    };
    findings.push(Finding::ok(
        "configuration",
        format!("{source}; the issuer is {}", loaded.config.issuer),
    ));
    for warning in &loaded.warnings {
        findings.push(Finding::warning("configuration", warning, "correct or remove it"));
    }
    if loaded.config.issuer.starts_with("http://") {
        findings.push(Finding::warning(
            "issuer",
            "the issuer is not https, which only this machine can use",
            "for others set `issuer` to the public https URL before the first user signs up: it stands in every token",
        ));
    }
    if !loaded.config.rate_limit.enabled {
        findings.push(Finding::warning(
            "limits",
            "rate_limit.enabled is false: passwords can be guessed without end",
            "remove it outside load tests",
        ));
    }
}

fn master_key(config: &Config, findings: &mut Vec<Finding>) -> Option<Vec<MasterKey>> {
    let place = match &config.keys.master_key {
        MasterKeySource::Value(_) => "keys.master_key".to_owned(),
        MasterKeySource::File(path) => path.display().to_string(),
    };
    match server::master_keys(&config.keys) {
        Ok(masters) => {
            let fingerprint = masters.first().map(MasterKey::fingerprint).unwrap_or_default();
            findings.push(Finding::ok("master key", format!("{fingerprint} from {place}")));
            file_is_private(config, findings);
            Some(masters)
        }
        Err(error) => {
            findings.push(Finding::failed("master key", error));
            None
        }
    }
}

fn file_is_private(config: &Config, findings: &mut Vec<Finding>) {
    use std::os::unix::fs::PermissionsExt;
    if let MasterKeySource::File(path) = &config.keys.master_key
        && let Ok(metadata) = path.metadata()
        && metadata.permissions().mode() & 0o077 != 0
    {
        findings.push(Finding::warning(
            "master key",
            format!("others on this machine can read {}", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
}

async fn database(
    config: &Config,
    masters: Option<&[MasterKey]>,
    pkcs11: Option<&Pkcs11Token>,
    findings: &mut Vec<Finding>,
) {
    let database = match Database::open(config, Role::Command).await {
        Ok(database) => database,
        Err(error) => {
            findings.push(Finding::failed("database", error));
            return;
        }
    };
    match database.embedded() {
        Some(embedded) => findings.push(Finding::ok(
            "database",
            format!(
                "embedded PostgreSQL {} in {}, for one node; DATABASE_URL is for several",
                embedded.version(),
                embedded.data_dir().display()
            ),
        )),
        None => findings.push(Finding::ok("database", "reachable")),
    }
    if database.may_be_overheard() {
        findings.push(Finding::warning(
            "database",
            "the connection may be unencrypted",
            "say sslmode=verify-full in database.url",
        ));
    }
    clocks(config, &database, findings).await;
    let readable = schema(config, &database, findings).await;
    if let Some(masters) = masters.filter(|_| readable) {
        signing_keys(config, &database, masters, pkcs11, findings).await;
    }
    database.close().await;
}

/// Whether the schema is one that this version can read.
async fn schema(config: &Config, database: &Database, findings: &mut Vec<Finding>) -> bool {
    let schema = match database.schema().await {
        Ok(schema) => schema,
        Err(error) => {
            findings.push(Finding::failed("schema", error));
            return false;
        }
    };
    let pending = schema.pending.len();
    if !schema.newer.is_empty() {
        findings.push(Finding::warning(
            "schema",
            format!("migrated by a newer version: {}", schema.newer.join(", ")),
            "upgrade this Signet too; the version before the newest still runs",
        ));
    } else if pending == 0 {
        findings.push(Finding::ok("schema", "up to date"));
    } else if config.database.auto_migrate {
        findings.push(Finding::ok(
            "schema",
            format!("{pending} migrations are pending; the next start applies them"),
        ));
    } else {
        findings.push(Finding::failed(
            "schema",
            CommandError::new("schema_pending", format!("{pending} migrations are pending"))
                .hint("run `signet migrate` before the next start"),
        ));
    }
    pending == 0
}

async fn clocks(config: &Config, database: &Database, findings: &mut Vec<Finding>) {
    let asked = Instant::now();
    let before = server::clock().now();
    let theirs = match storage::server_time::find(&database.db).await {
        Ok(theirs) => theirs,
        Err(error) => {
            findings.push(Finding::failed("clock", error));
            return;
        }
    };
    let travel = TimeDelta::from_std(asked.elapsed() / 2).unwrap_or_default();
    let difference = (theirs - before - travel).abs();
    let tolerated = TimeDelta::from_std(config.keys.clock_skew).unwrap_or_default();
    let text = format!("{} ms from the database's", difference.num_milliseconds());
    findings.push(if difference <= tolerated.max(TimeDelta::seconds(1)) {
        Finding::ok("clock", text)
    } else {
        Finding::failed(
            "clock",
            CommandError::new("clock", text)
                .hint("synchronise both machines (NTP): tokens would come too early or late"),
        )
    });
}

async fn signing_keys(
    config: &Config,
    database: &Database,
    masters: &[MasterKey],
    pkcs11: Option<&Pkcs11Token>,
    findings: &mut Vec<Finding>,
) {
    let made = match storage::revisions::find(&database.db).await {
        Ok(revisions) => revisions.keys != 0,
        Err(error) => {
            findings.push(Finding::failed("keys", error));
            return;
        }
    };
    if !made {
        findings.push(Finding::ok("keys", "none yet; the first start makes them"));
        return;
    }
    let settings = server::key_settings(config);
    let now = server::clock().now();
    let loaded = match keys::load(&database.db, masters, pkcs11, &settings, None, now).await {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.push(Finding::failed("keys", error));
            return;
        }
    };
    let published = loaded.ring.keys().filter(|key| key.state(now).is_published());
    let unusable = loaded.ring.unusable().await;
    if unusable.is_empty() {
        let text = format!("{} published, all can be opened", published.count());
        findings.push(Finding::ok("keys", text));
    }
    for key in unusable {
        findings.push(Finding::failed(
            "keys",
            CommandError::new("key_missing", key.to_string())
                .hint("bring the token back with its keys; until then what they should sign is answered 503"),
        ));
    }
}

/// Whether the PKCS#11 token is there and lets us in.
async fn token(config: &Config, findings: &mut Vec<Finding>) -> Option<Pkcs11Token> {
    let token = match server::pkcs11_token(&config.keys) {
        Ok(token) => token?,
        Err(error) => {
            findings.push(Finding::failed("PKCS#11", error));
            return None;
        }
    };
    findings.push(match token.check().await {
        Ok(()) => Finding::ok("PKCS#11", format!("logged in to the token {:?}", token.label())),
        Err(error) => Finding::failed("PKCS#11", error),
    });
    Some(token)
}

/// Begins a mail with the mail server, and sends none.
async fn mail(config: &Config, findings: &mut Vec<Finding>) {
    if let Err(error) = server::mail_templates(config) {
        findings.push(Finding::failed("mail templates", error));
    }
    let smtp = match server::smtp(&config.mail) {
        Ok(Some(smtp)) => smtp,
        Ok(None) => {
            findings.push(Finding::warning(
                "mail",
                "not configured: `signet serve` sends no mail",
                "set mail.smtp_url and mail.from",
            ));
            return;
        }
        Err(error) => {
            findings.push(Finding::failed("mail", error));
            return;
        }
    };
    findings.push(match smtp.check().await {
        Ok(found) => Finding::ok("mail", found),
        Err(error) => {
            let told = CommandError::new("mail", format!("{}: {error}", smtp.server_name()));
            Finding::failed("mail", told.hint(what_helps(&error)))
        }
    });
    if smtp.may_be_overheard() {
        findings.push(Finding::warning(
            "mail",
            "mail leaves this machine unencrypted, with links and codes that let whoever reads them in",
            "say smtps:// or smtp+starttls:// in mail.smtp_url",
        ));
    }
}

const fn what_helps(error: &OpenError) -> &'static str {
    match error {
        OpenError::Unreachable(_) | OpenError::TooSlow => {
            "correct host and port in mail.smtp_url, or let this machine through to them; mail waits until it can leave"
        }
        OpenError::Tls(_) => {
            "the certificate must be for the host in mail.smtp_url, of an authority that this system trusts \
             (SSL_CERT_FILE names others); smtps:// is for port 465, smtp+starttls:// for 587"
        }
        OpenError::NoStartTls => "say smtps:// if it has TLS from the first byte on, usually at port 465",
        OpenError::Greeting(_) => "its operator must let this machine in; mail waits until it can leave",
        OpenError::NoLogin => {
            "it may want TLS first (smtps:// or smtp+starttls://), or no USER:PASSWORD@ in mail.smtp_url"
        }
        OpenError::Login(_) => {
            "correct USER:PASSWORD@ in mail.smtp_url, percent-encoded; mail waits until it can leave"
        }
        OpenError::Sender(_) => {
            "set mail.from to an address that this server lets us send from, often the one of the login; mail waits until \
             it can leave"
        }
    }
}
