//! `signet sessions`: browser sessions, and what they gave.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::output::{Output, Record, or_dash, serialize_time, time};
use super::users::find;
use super::{CommandError, Shell};
use crate::domain::ids::{SessionId, UserId};
use crate::flows::operator_sessions::{self as flow, Ended};
use crate::storage::sessions::ListedSession;

/// How many sessions one statement reads.
const PAGE: i64 = 1_000;
/// How often long work says how far it is.
const PROGRESS: Duration = Duration::from_secs(1);

/// What to do with sessions. USER is an e-mail address or an id.
#[derive(Debug, clap::Subcommand)]
pub enum SessionsCommand {
    /// List the sessions that are going on.
    List {
        /// Only those of this user.
        #[arg(long)]
        user: Option<String>,
    },
    /// End sessions, with every refresh token and code that they gave, offline ones too.
    Revoke(RevokeOptions),
}

/// Which sessions end.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["id", "user", "all"]))]
pub struct RevokeOptions {
    /// This session.
    id: Option<SessionId>,
    /// Those of this user.
    #[arg(long)]
    user: Option<String>,
    /// All.
    #[arg(long)]
    all: bool,
    /// Only what was issued before this time (RFC 3339), as the time of a backup that was restored.
    #[arg(long, requires = "all", conflicts_with_all = ["id", "user"], value_name = "TIME")]
    issued_before: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct SessionRecord {
    id: SessionId,
    user_id: UserId,
    email: String,
    #[serde(serialize_with = "serialize_time")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "serialize_time")]
    last_used_at: DateTime<Utc>,
    /// When it ends for want of use.
    #[serde(serialize_with = "serialize_time")]
    expires_at: DateTime<Utc>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    amr: Vec<String>,
    clients: Vec<String>,
}

impl From<ListedSession> for SessionRecord {
    fn from(listed: ListedSession) -> Self {
        let session = listed.session;
        Self {
            id: session.id,
            user_id: session.user_id,
            email: listed.email,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.idle_expires_at.min(session.expires_at),
            ip_address: session.ip_address,
            user_agent: session.user_agent,
            amr: session.amr,
            clients: listed.clients,
        }
    }
}

impl Record for SessionRecord {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "email",
        "created",
        "last used",
        "expires",
        "address",
        "clients",
        "browser",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.email.clone(),
            time(self.created_at),
            time(self.last_used_at),
            time(self.expires_at),
            or_dash(self.ip_address.as_ref()),
            self.clients.join(" "),
            or_dash(self.user_agent.as_ref()),
        ]
    }
}

#[derive(Serialize)]
struct EndedRecord {
    sessions: u64,
    token_families: u64,
    authorization_codes: u64,
}

impl From<Ended> for EndedRecord {
    fn from(ended: Ended) -> Self {
        Self {
            sessions: ended.sessions,
            token_families: ended.token_families,
            authorization_codes: ended.authorization_codes,
        }
    }
}

impl Record for EndedRecord {
    const COLUMNS: &'static [&'static str] = &["sessions ended", "token families ended", "codes deleted"];

    fn cells(&self) -> Vec<String> {
        [self.sessions, self.token_families, self.authorization_codes]
            .map(|count| count.to_string())
            .to_vec()
    }
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: SessionsCommand) -> Result<(), CommandError> {
    match command {
        SessionsCommand::List { user } => list(shell, user).await,
        SessionsCommand::Revoke(options) => revoke(shell, options).await,
    }
}

async fn list(shell: &Shell, user: Option<String>) -> Result<(), CommandError> {
    shell
        .with_database(async |place| {
            let user = match &user {
                Some(name) => Some(find(&place.db, name).await?.id),
                None => None,
            };
            let now = place.now();
            shell
                .output
                .pages(async |last: Option<&SessionRecord>| {
                    let after = last.map_or(SessionId::from(uuid::Uuid::nil()), |session| session.id);
                    let page = flow::list(&place.db, after, user, now, PAGE).await?;
                    Ok(page.into_iter().map(SessionRecord::from).collect())
                })
                .await
        })
        .await
}

async fn revoke(shell: &Shell, options: RevokeOptions) -> Result<(), CommandError> {
    let output = shell.output;
    let ended = if let Some(id) = options.id {
        shell
            .with_database(async |place| {
                let ended = flow::end(&place.db, id, place.now()).await?;
                ended.ok_or_else(|| CommandError::not_found("session", id).hint("it may have ended already"))
            })
            .await?
    } else if let Some(name) = options.user {
        shell
            .with_database(async |place| {
                let user = find(&place.db, &name).await?;
                Ok(flow::end_of_user(&place.db, user.id, place.now()).await?)
            })
            .await?
    } else {
        let before = options.issued_before;
        output.confirm(&match before {
            Some(time) => format!("End every session and refresh token from before {time}?"),
            None => "End every session and refresh token there is? Everybody must log in again.".to_owned(),
        })?;
        shell
            .with_database(async |place| {
                let mut told = Instant::now();
                let progress = |ended: &Ended| tell(output, ended, &mut told);
                Ok(flow::end_issued_before(&place.db, before, place.now(), progress).await?)
            })
            .await?
    };
    output.one(&EndedRecord::from(ended))
}

/// Says how far it is, once a second at most.
fn tell(output: Output, ended: &Ended, told: &mut Instant) {
    if told.elapsed() >= PROGRESS {
        *told = Instant::now();
        output.message(&format!(
            "ended so far: {} sessions, {} token families",
            ended.sessions, ended.token_families
        ));
    }
}
