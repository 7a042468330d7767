//! `signet users`: accounts.

mod import;

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::clients::read_text;
use super::output::{Deleted, Record, or_dash, serialize_time, serialize_time_option, time};
use super::shell::Workplace;
use super::{CommandError, Shell};
use crate::domain::ids::UserId;
use crate::domain::secret::Secret;
use crate::domain::user::{Profile, User};
use crate::flows::users::{self, NewAccount, UserName, Users, UsersError};
use crate::server;
use crate::storage::Db;

/// How many users one statement reads.
const PAGE: i64 = 1_000;
/// The bytes of a password that are read; more is none.
const MAX_PASSWORD: u64 = 64 * 1024;
/// One hash alone takes far less, even on a machine that is busy.
const HASH_PATIENCE: Duration = Duration::from_mins(1);

/// What to do with accounts. USER is an e-mail address or an id.
#[derive(Debug, clap::Subcommand)]
pub enum UsersCommand {
    /// Make an account.
    Create {
        /// Its e-mail address.
        #[arg(long)]
        email: String,
        /// What people call the user.
        #[arg(long)]
        name: String,
        /// The address is known to be the user's.
        #[arg(long)]
        email_verified: bool,
        /// Read the password from standard input; one line ending is dropped.
        #[arg(long, required = true)]
        password_stdin: bool,
        /// Further standard claims (OpenID Connect Core 1.0 §5.1) as a JSON object.
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
    },
    /// List all accounts.
    List,
    /// Show an account.
    Show {
        /// The user.
        user: String,
    },
    /// Give a user a new password; sessions and tokens from before end.
    SetPassword {
        /// The user.
        user: String,
        /// Read the password from standard input; one line ending is dropped.
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Forbid a user everything; sessions and tokens end.
    Disable {
        /// The user.
        user: String,
    },
    /// Let a disabled user log in again.
    Enable {
        /// The user.
        user: String,
    },
    /// Delete an account with everything that belongs to it.
    Delete {
        /// The user.
        user: String,
    },
    /// Let the users of another provider move in.
    Import(import::Options),
}

#[derive(Serialize)]
struct UserRecord {
    id: UserId,
    subject: String,
    email: String,
    name: String,
    email_verified: bool,
    status: &'static str,
    #[serde(serialize_with = "serialize_time")]
    created_at: DateTime<Utc>,
    #[serde(serialize_with = "serialize_time_option")]
    last_login_at: Option<DateTime<Utc>>,
    #[serde(serialize_with = "serialize_time_option")]
    disabled_at: Option<DateTime<Utc>>,
}

impl From<User> for UserRecord {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            subject: user.subject(),
            status: if user.disabled_at.is_some() {
                "disabled"
            } else {
                "active"
            },
            email: user.email,
            name: user.name,
            email_verified: user.email_verified,
            created_at: user.created_at,
            last_login_at: user.last_login_at,
            disabled_at: user.disabled_at,
        }
    }
}

impl Record for UserRecord {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "email",
        "name",
        "verified",
        "status",
        "created",
        "last login",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.email.clone(),
            self.name.clone(),
            if self.email_verified { "yes" } else { "no" }.to_owned(),
            self.status.to_owned(),
            time(self.created_at),
            or_dash(self.last_login_at.map(time)),
        ]
    }
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: UsersCommand) -> Result<(), CommandError> {
    match command {
        UsersCommand::Create {
            email,
            name,
            email_verified,
            password_stdin: _,
            profile,
        } => {
            let profile = read_profile(profile)?;
            let password = read_password()?;
            let account = NewAccount {
                email: &email,
                email_verified,
                name: &name,
                profile: &profile,
                password: &Secret::new(password.as_str()),
            };
            create(shell, &account).await
        }
        UsersCommand::List => list(shell).await,
        UsersCommand::Show { user } => one(shell, &user, async |_, user| Ok(user)).await,
        UsersCommand::SetPassword {
            user,
            password_stdin: _,
        } => {
            let password = read_password()?;
            one(shell, &user, async |place, user| {
                let hasher = hasher(place)?;
                flow(place, &hasher)
                    .set_password(&user, &password, place.now())
                    .await?;
                Ok(user)
            })
            .await
        }
        UsersCommand::Disable { user } => {
            one(shell, &user, async |place, user| {
                Ok(users::disable(&place.db, user.id, place.now()).await?)
            })
            .await
        }
        UsersCommand::Enable { user } => {
            one(shell, &user, async |place, user| {
                Ok(users::enable(&place.db, user.id).await?)
            })
            .await
        }
        UsersCommand::Delete { user } => delete(shell, &user).await,
        UsersCommand::Import(options) => import::run(shell, options).await,
    }
}

async fn create(shell: &Shell, account: &NewAccount<'_>) -> Result<(), CommandError> {
    let user = shell
        .with_database(async |place| {
            let hasher = hasher(place)?;
            let created = flow(place, &hasher).create(account, place.now()).await;
            created.map_err(|error| match error {
                UsersError::EmailTaken => CommandError::exists("user", account.email.trim()),
                error => error.into(),
            })
        })
        .await?;
    shell.output.one(&UserRecord::from(user))
}

async fn list(shell: &Shell) -> Result<(), CommandError> {
    shell
        .with_database(async |place| {
            shell
                .output
                .pages(async |last: Option<&UserRecord>| {
                    let after = last.map_or(UserId::from(uuid::Uuid::nil()), |user| user.id);
                    let page = users::list(&place.db, after, PAGE).await?;
                    Ok(page.into_iter().map(UserRecord::from).collect())
                })
                .await
        })
        .await
}

/// Finds a user, does `work` and prints what it makes of the user.
async fn one(
    shell: &Shell,
    name: &str,
    work: impl AsyncFnOnce(&Workplace, User) -> Result<User, CommandError>,
) -> Result<(), CommandError> {
    let user = shell
        .with_database(async |place| {
            let user = find(&place.db, name).await?;
            work(place, user).await
        })
        .await?;
    shell.output.one(&UserRecord::from(user))
}

async fn delete(shell: &Shell, name: &str) -> Result<(), CommandError> {
    shell.output.confirm(&format!(
        "Delete the user {name}? Sessions, tokens and consents go too, and the id is never used again."
    ))?;
    let id = shell
        .with_database(async |place| {
            let user = find(&place.db, name).await?;
            users::delete(&place.db, user.id, place.now()).await?;
            Ok(user.id)
        })
        .await?;
    shell.output.one(&Deleted::new("id", id.to_string()))
}

/// The user of an e-mail address or id.
///
/// # Errors
/// When there is none.
pub async fn find(db: &Db, name: &str) -> Result<User, CommandError> {
    let unknown = || CommandError::not_found("user", name).hint("USER is an e-mail address or an id");
    let parsed = UserName::parse(name).ok_or_else(unknown)?;
    users::find(db, &parsed).await.map_err(|error| match error {
        UsersError::Unknown => unknown(),
        error => error.into(),
    })
}

fn hasher(place: &Workplace) -> Result<crate::password::Hasher, CommandError> {
    Ok(server::start_hasher(&place.config.passwords, 1, HASH_PATIENCE)?)
}

fn flow<'a>(place: &'a Workplace, passwords: &'a crate::password::Hasher) -> Users<'a> {
    Users {
        db: &place.db,
        passwords,
        random: place.random,
        min_strength: place.config.passwords.min_strength,
        breaches: server::breach_check(&place.config.passwords),
        brand: &place.config.branding.name,
    }
}

fn read_password() -> Result<Zeroizing<String>, CommandError> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    std::io::stdin()
        .lock()
        .take(MAX_PASSWORD)
        .read_to_string(&mut text)
        .map_err(|error| {
            CommandError::new(
                "invalid_password",
                format!("the password cannot be read: {error}"),
            )
        })?;
    let line = text
        .strip_suffix('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if let Some(length) = line.map(str::len) {
        text.truncate(length);
    }
    Ok(text)
}

fn read_profile(file: Option<PathBuf>) -> Result<Profile, CommandError> {
    let Some(file) = file else {
        return Ok(Profile::default());
    };
    let wrong =
        |reason: String| CommandError::new("invalid_profile", format!("{}: {reason}", file.display()));
    let document: Value =
        serde_json::from_str(&read_text(&file)?).map_err(|error| wrong(error.to_string()))?;
    match document {
        Value::Object(claims) => Profile::new(claims).map_err(|error| wrong(error.to_string())),
        _ => Err(wrong("a profile is a JSON object".to_owned())),
    }
}
