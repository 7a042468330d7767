//! `signet users import`: users of another provider move in.

mod documents;
mod feed;
mod progress;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use self::feed::Feed;
use self::progress::Progress;
use crate::cli::clients::read_text;
use crate::cli::output::Record;
use crate::cli::shell::Workplace;
use crate::cli::{CommandError, Shell};
use crate::domain::secret::Secret;
use crate::flows::import::candidate::base64;
use crate::flows::import::reason::Refusal;
use crate::flows::import::{Counts, Import, Mode};
use crate::password::foreign::FirebaseParams;
use crate::server;

/// How long a batch may take: nobody waits for it but the operator.
const LIMIT: Duration = Duration::from_secs(120);
/// How many refusals are told where no report is kept.
const TOLD: usize = 20;

/// Where the users come from.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// What they come from.
    #[arg(long, value_enum)]
    from: Kind,
    /// The file that was exported there, `-` for standard input; for better-auth the URL of its PostgreSQL database, or
    /// a file that holds it.
    source: String,
    /// What the source is called, to know its users again. Say it where there are two of a kind.
    #[arg(long, value_name = "NAME")]
    origin: Option<String>,
    /// Read and judge all, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write what is refused to a file, as a JSON object a line.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The secret of the Better Auth server, or one that it had before: sessions and signing keys come along.
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
    /// The password hash parameters of the Firebase project, as its console shows them.
    #[arg(long, value_name = "FILE")]
    hash_config: Option<PathBuf>,
}

/// A provider, or a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    BetterAuth,
    Auth0,
    Firebase,
    Keycloak,
    Supabase,
    Jsonl,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::BetterAuth => "better-auth",
            Self::Auth0 => "auth0",
            Self::Firebase => "firebase",
            Self::Keycloak => "keycloak",
            Self::Supabase => "supabase",
            Self::Jsonl => "jsonl",
        }
    }
}

#[derive(Serialize)]
struct Summary {
    from: &'static str,
    origin: String,
    dry_run: bool,
    #[serde(flatten)]
    counts: Counts,
}

impl Record for Summary {
    const COLUMNS: &'static [&'static str] = &[
        "read",
        "imported",
        "already there",
        "refused",
        "with a password",
        "without a password",
        "passwords refused",
        "passwords added",
        "identities",
        "passkeys",
        "sessions",
        "keys",
    ];

    fn cells(&self) -> Vec<String> {
        let counts = &self.counts;
        [
            counts.read,
            counts.imported,
            counts.already_there,
            counts.refused,
            counts.with_password,
            counts.without_password,
            counts.passwords_refused,
            counts.passwords_added,
            counts.identities,
            counts.passkeys,
            counts.sessions,
            counts.keys,
        ]
        .iter()
        .map(ToString::to_string)
        .collect()
    }
}

/// Imports, and says what came of it. Users that are refused are no failure.
pub async fn run(shell: &Shell, options: Options) -> Result<(), CommandError> {
    let hash_config = options.hash_config.as_deref().map(read_hash_config).transpose()?;
    let mut report = Report::open(options.report.as_deref())?;
    let mode = if options.dry_run {
        Mode::DryRun
    } else {
        Mode::Write
    };
    let origin = options
        .origin
        .clone()
        .unwrap_or_else(|| options.from.as_str().to_owned());
    if origin.is_empty() || origin.len() > 64 || origin.chars().any(char::is_control) {
        return Err(CommandError::new(
            "invalid_origin",
            "an origin has 1 to 64 characters",
        ));
    }
    let counts = shell
        .with_database(async |place| {
            let secrets = secrets(place, &options.secret_file)?;
            warn_of_cookies(shell, place, &options);
            let db = place.db.with_limit(LIMIT);
            let sessions = server::provider_settings(&place.config).sessions;
            let issuers = server::federation::issuers(&place.config);
            let mut import = Import::new(&db, place.random, sessions, &origin, &issuers, mode);
            let mut feed = Feed::open(&options, hash_config, &secrets, place.now()).await?;
            let mut progress = Progress::start(shell.output);
            if !secrets.is_empty() {
                let keys = feed.keys().await?;
                take_keys(place, &mut import, keys, &secrets, &mut report, mode).await?;
            }
            while let Some(records) = feed.next().await? {
                let refusals = import.take(records, place.now()).await?;
                report.write(&refusals)?;
                progress.tell(import.counts());
            }
            progress.end(import.counts());
            Ok(*import.counts())
        })
        .await?;
    report.end(shell)?;
    shell.output.one(&Summary {
        from: options.from.as_str(),
        origin,
        dry_run: options.dry_run,
        counts,
    })
}

async fn take_keys(
    place: &Workplace,
    import: &mut Import<'_>,
    keys: Vec<serde_json::Value>,
    secrets: &[Secret],
    report: &mut Report,
    mode: Mode,
) -> Result<(), CommandError> {
    let settings = server::key_settings(&place.config);
    let masters = match mode {
        Mode::Write => place.ensure_first_keys().await?,
        Mode::DryRun => Vec::new(),
    };
    let refusals = import
        .take_keys(keys, secrets, &masters, &settings, place.now())
        .await?;
    report.write(&refusals)?;
    if mode == Mode::Write && import.counts().keys > 0 {
        place.rotation(&masters, &settings).advance().await?;
    }
    Ok(())
}

/// The secrets that the server before has or had.
fn secrets(place: &Workplace, files: &[PathBuf]) -> Result<Vec<Secret>, CommandError> {
    let configured = place.config.better_auth.secret.clone();
    let read = files.iter().map(|file| {
        let text = zeroize::Zeroizing::new(read_text(file)?);
        Ok(Secret::new(text.trim_end_matches(['\r', '\n'])))
    });
    configured.into_iter().map(Ok).chain(read).collect()
}

fn warn_of_cookies(shell: &Shell, place: &Workplace, options: &Options) {
    if options.from == Kind::BetterAuth && place.config.better_auth.secret.is_none() {
        shell.output.warning(if options.secret_file.is_empty() {
            "without the secret of the Better Auth server its sessions and signing keys stay behind"
        } else {
            "set better_auth.secret too: without it the server knows no cookie of the sessions that move in"
        });
    }
}

/// Reads what the console of Firebase shows: lines of `name: value,` in braces.
fn read_hash_config(file: &Path) -> Result<FirebaseParams, CommandError> {
    let text = zeroize::Zeroizing::new(read_text(file)?);
    let value = |name: &str| {
        let mut lines = text.lines().map(|line| line.trim().trim_end_matches(','));
        let line = lines.find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix([':', '=']));
        line.map(|value| value.trim().trim_matches('"'))
    };
    let wrong = |name: &str| {
        CommandError::new(
            "invalid_hash_config",
            format!("{}: {name} is missing or has another form", file.display()),
        )
        .hint("save what the Firebase console shows under Authentication, Users, Password hash parameters")
    };
    let bytes = |name: &str| value(name).and_then(base64).ok_or_else(|| wrong(name));
    let number = |name: &str| {
        value(name)
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| wrong(name))
    };
    Ok(FirebaseParams {
        signer_key: bytes("base64_signer_key")?.into(),
        salt_separator: bytes("base64_salt_separator")?,
        rounds: number("rounds")?,
        mem_cost: number("mem_cost")?,
    })
}

/// Where refusals go: a file, or the first of them to the operator.
struct Report {
    file: Option<(PathBuf, BufWriter<File>)>,
    first: Vec<Refusal>,
    more: usize,
}

impl Report {
    fn open(path: Option<&Path>) -> Result<Self, CommandError> {
        let file = path
            .map(|path| match File::create(path) {
                Ok(file) => Ok((path.to_owned(), BufWriter::new(file))),
                Err(error) => Err(CommandError::caused("unwritable", &error).about(path.display())),
            })
            .transpose()?;
        Ok(Self {
            file,
            first: Vec::new(),
            more: 0,
        })
    }

    /// Written through with every batch: what is cut off leaves a report of what it did.
    fn write(&mut self, refusals: &[Refusal]) -> Result<(), CommandError> {
        let Some((path, file)) = &mut self.file else {
            let room = TOLD - self.first.len();
            self.first.extend(refusals.iter().take(room).cloned());
            self.more += refusals.len().saturating_sub(room);
            return Ok(());
        };
        let mut write = || {
            for refusal in refusals {
                serde_json::to_writer(&mut *file, refusal)?;
                file.write_all(b"\n")?;
            }
            file.flush()
        };
        write().map_err(|error| CommandError::caused("unwritable", &error).about(path.display()))
    }

    fn end(&mut self, shell: &Shell) -> Result<(), CommandError> {
        for refusal in &self.first {
            let what =
                serde_json::to_string(refusal).map_err(|error| CommandError::caused("internal", &error))?;
            shell.output.warning(&format!("refused: {what}"));
        }
        if self.more > 0 {
            shell.output.warning(&format!(
                "{} more were refused; --report FILE keeps them all",
                self.more
            ));
        }
        Ok(())
    }
}
