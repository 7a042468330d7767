//! Users who move in from another provider.
//!
//! 1. A parser makes a [`Candidate`](candidate::Candidate) of a record of its source: [`better_auth`], [`auth0`],
//!    [`firebase`], [`keycloak`], [`supabase`], [`jsonl`].
//! 2. The candidate is judged: what of it can come in, and in what form.
//! 3. A batch is compared with who is there: new, the same again, or in somebody's way.
//! 4. Who is new is stored with all that belongs to them, in one transaction a batch.
//!
//! So importing the same again changes nothing, and an import that was cut off goes on where it was when it is begun
//! again. Whatever does not come in is told, with the reason.

pub mod auth0;
pub mod better_auth;
pub mod candidate;
pub mod firebase;
pub mod jsonl;
mod judge;
pub mod keycloak;
pub mod reason;
mod standing;
pub mod supabase;

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use self::candidate::Record;
use self::judge::{Judge, Judged};
use self::reason::{Reason, Refusal, Refused};
use self::standing::{Present, Standing, digest};
use super::keys::KeySettings;
use super::keys::transfer::{self, TransferError};
use crate::domain::browser_session::SessionPolicy;
use crate::domain::ids::UserId;
use crate::domain::imported_user::ImportedUser;
use crate::domain::secret::Secret;
use crate::jose::wrap::MasterKey;
use crate::random::Random;
use crate::storage::imports;
use crate::storage::{Db, StorageError};

/// How many records make a batch at most.
pub const BATCH: usize = 1_000;

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Users come in.
    Write,
    /// All is read and judged, and nothing written.
    DryRun,
}

/// What came of an import so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "each counts what its name says")]
pub struct Counts {
    pub read: u64,
    pub imported: u64,
    pub already_there: u64,
    pub refused: u64,
    pub with_password: u64,
    pub without_password: u64,
    pub passwords_refused: u64,
    pub passwords_added: u64,
    pub identities: u64,
    pub passkeys: u64,
    pub sessions: u64,
    pub keys: u64,
}

/// An import that is under way.
pub struct Import<'a> {
    db: &'a Db,
    random: &'a dyn Random,
    sessions: SessionPolicy,
    origin: &'a str,
    issuers: &'a BTreeMap<String, String>,
    mode: Mode,
    counts: Counts,
    /// What earlier batches would have taken; only where nothing is written that would tell.
    seen: HashSet<u64>,
}

/// A user of a batch, judged.
struct Comer {
    position: u64,
    user: ImportedUser,
}

impl Comer {
    /// The subject as tokens will say it.
    fn subject(&self) -> Option<String> {
        self.user.subject.as_ref().map(ToString::to_string)
    }

    fn refusal(&self, refused: Refused, reason: Reason) -> Refusal {
        Refusal::new(self.position, self.subject(), refused, reason)
    }
}

/// How a batch stands to who is there.
#[derive(Default)]
struct Sorted {
    new: Vec<Comer>,
    /// With the id that they have here.
    there: Vec<(UserId, ImportedUser)>,
    refused: Vec<Refusal>,
}

impl<'a> Import<'a> {
    /// Begins one. `origin` names where the users come from, so that the same ones are known again; `issuers` are those of
    /// the providers that are configured, by their names.
    pub fn new(
        db: &'a Db,
        random: &'a dyn Random,
        sessions: SessionPolicy,
        origin: &'a str,
        issuers: &'a BTreeMap<String, String>,
        mode: Mode,
    ) -> Self {
        Self {
            db,
            random,
            sessions,
            origin,
            issuers,
            mode,
            counts: Counts::default(),
            seen: HashSet::new(),
        }
    }

    /// What came of it so far.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Takes a batch, whole or not at all, and says what was refused.
    ///
    /// # Errors
    /// When the database does not answer; then nothing of the batch came in.
    pub async fn take(
        &mut self,
        records: Vec<Record>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Refusal>, StorageError> {
        let mut counts = self.counts;
        counts.read += records.len() as u64;
        let (comers, mut refusals) = self.judge(records, now);
        let sorted = self.sort(comers).await?;
        refusals.extend(sorted.refused);
        counts.already_there += sorted.there.len() as u64;
        let new = sorted.new;
        match self.mode {
            Mode::DryRun => {
                for comer in &new {
                    counts.count(&comer.user);
                }
            }
            Mode::Write => {
                refusals.extend(self.store(&new, &sorted.there, &mut counts, now).await?);
            }
        }
        let of = |what: Refused| {
            let refused = refusals.iter().filter(|refusal| refusal.refused == what);
            refused.count() as u64
        };
        counts.refused += of(Refused::User);
        counts.passwords_refused += of(Refused::Password);
        self.counts = counts;
        refusals.sort_by_key(|refusal| refusal.position);
        Ok(refusals)
    }

    fn judge(&self, records: Vec<Record>, now: DateTime<Utc>) -> (Vec<Comer>, Vec<Refusal>) {
        let judge = Judge {
            random: self.random,
            sessions: self.sessions,
            issuers: self.issuers,
            now,
        };
        let (mut comers, mut refusals) = (Vec::with_capacity(records.len()), Vec::new());
        for Record { position, candidate } in records {
            let candidate = match candidate {
                Ok(candidate) => candidate,
                Err(reason) => {
                    refusals.push(Refusal::new(position, None, Refused::User, reason));
                    continue;
                }
            };
            let subject = candidate.subject.clone();
            match judge.judge(candidate) {
                Ok(Judged { user, refused }) => {
                    let comer = Comer { position, user };
                    let refused = refused.into_iter();
                    refusals.extend(refused.map(|(what, reason)| comer.refusal(what, reason)));
                    comers.push(comer);
                }
                Err(reason) => refusals.push(Refusal::new(position, subject, Refused::User, reason)),
            }
        }
        (comers, refusals)
    }

    /// Compares a batch with who is there, and with itself.
    async fn sort(&mut self, comers: Vec<Comer>) -> Result<Sorted, StorageError> {
        let (positions, users): (Vec<u64>, Vec<ImportedUser>) = comers
            .into_iter()
            .map(|comer| (comer.position, comer.user))
            .unzip();
        let present = imports::find_present(self.db, &users).await?;
        let subjects: Vec<String> = users
            .iter()
            .filter_map(|user| user.subject.as_ref().map(ToString::to_string))
            .collect();
        let retired = imports::find_retired(self.db, &subjects).await?;
        let present = Present::new(&present);
        let mut batch = HashSet::new();
        let mut sorted = Sorted::default();
        for (position, user) in positions.into_iter().zip(users) {
            let comer = Comer { position, user };
            let standing = match present.standing(&comer.user, self.origin) {
                Standing::New if comer.subject().is_some_and(|subject| retired.contains(&subject)) => {
                    Standing::Refused(Reason::SubjectRetired)
                }
                Standing::New => self.among_its_own(&comer, &mut batch),
                standing => standing,
            };
            match standing {
                Standing::New => sorted.new.push(comer),
                Standing::There(id) => sorted.there.push((id, comer.user)),
                Standing::Refused(reason) => sorted.refused.push(comer.refusal(Refused::User, reason)),
            }
        }
        Ok(sorted)
    }

    /// How a user stands to those who came in this batch, and to earlier ones that were not written.
    fn among_its_own(&mut self, comer: &Comer, batch: &mut HashSet<u64>) -> Standing {
        let seen = match self.mode {
            Mode::Write => batch,
            Mode::DryRun => &mut self.seen,
        };
        let subject = comer.subject().map(|subject| digest("subject", &subject));
        let email = digest("email", comer.user.email.key().as_str());
        if subject.is_some_and(|subject| seen.contains(&subject)) {
            Standing::Refused(Reason::SubjectTaken)
        } else if seen.contains(&email) {
            Standing::Refused(Reason::EmailTaken)
        } else {
            seen.extend(subject.into_iter().chain([email]));
            Standing::New
        }
    }

    async fn store(
        &self,
        new: &[Comer],
        there: &[(UserId, ImportedUser)],
        counts: &mut Counts,
        now: DateTime<Utc>,
    ) -> Result<Vec<Refusal>, StorageError> {
        let mut refusals = Vec::new();
        let tx = self.db.begin().await?;
        let users: Vec<&ImportedUser> = new.iter().map(|comer| &comer.user).collect();
        let stored = if users.is_empty() {
            HashSet::new()
        } else {
            imports::insert_users(&tx, &users, self.origin).await?
        };
        let (inside, outside): (Vec<&Comer>, Vec<&Comer>) =
            new.iter().partition(|comer| stored.contains(&comer.user.id));
        // Somebody took the address, or the subject was retired, between the look and the statement.
        let outside = outside.into_iter();
        refusals.extend(outside.map(|comer| comer.refusal(Refused::User, Reason::EmailTaken)));
        for comer in &inside {
            counts.count(&comer.user);
        }

        let identities: Vec<_> = inside
            .iter()
            .flat_map(|comer| comer.user.identities.iter().map(|it| (comer.user.id, it)))
            .collect();
        if !identities.is_empty() {
            let stored = imports::insert_identities(&tx, &identities, now).await?;
            for comer in &inside {
                let lost = comer.user.identities.iter().filter(|it| !stored.contains(&it.id));
                refusals.extend(lost.map(|_| comer.refusal(Refused::Identity, Reason::IdentityTaken)));
            }
            counts.identities -= (identities.len() - stored.len()) as u64;
        }
        let passkeys: Vec<_> = inside
            .iter()
            .flat_map(|comer| comer.user.passkeys.iter().map(|it| (comer.user.id, it)))
            .collect();
        if !passkeys.is_empty() {
            let stored = imports::insert_passkeys(&tx, &passkeys).await?;
            for comer in &inside {
                let lost = comer.user.passkeys.iter().filter(|it| !stored.contains(&it.id));
                refusals.extend(lost.map(|_| comer.refusal(Refused::Passkey, Reason::PasskeyTaken)));
            }
            counts.passkeys -= (passkeys.len() - stored.len()) as u64;
        }
        // Sessions that began, and passwords that came, since their user moved in.
        let came = inside.iter().map(|comer| (comer.user.id, &comer.user));
        let all = came.chain(there.iter().map(|(id, user)| (*id, user)));
        let sessions: Vec<_> = all
            .flat_map(|(id, user)| user.sessions.iter().map(move |session| (id, session)))
            .collect();
        if !sessions.is_empty() {
            counts.sessions += imports::insert_sessions(&tx, &sessions).await?;
        }
        let passwords: Vec<_> = there
            .iter()
            .filter_map(|(id, user)| Some((*id, user.password_hash.as_ref()?)))
            .collect();
        if !passwords.is_empty() {
            counts.passwords_added += imports::add_passwords(&tx, &passwords, self.origin).await?;
        }
        tx.commit().await?;
        Ok(refusals)
    }

    /// Takes the signing keys of a Better Auth server, so that its tokens verify here, and says what was refused. Those
    /// that are here stay as they are.
    ///
    /// # Errors
    /// When there is no master key, or the database does not answer.
    pub async fn take_keys(
        &mut self,
        rows: Vec<Value>,
        secrets: &[Secret],
        masters: &[MasterKey],
        settings: &KeySettings,
        now: DateTime<Utc>,
    ) -> Result<Vec<Refusal>, TransferError> {
        let mut refusals = Vec::new();
        for row in rows {
            let foreign = match better_auth::read_key(row, secrets) {
                Ok(foreign) => foreign,
                Err((kid, reason)) => {
                    refusals.push(Refusal::new(0, kid, Refused::Key, reason));
                    continue;
                }
            };
            if self.mode == Mode::DryRun {
                self.counts.keys += 1;
                continue;
            }
            let published_at = foreign.published_at.min(now);
            match transfer::import(self.db, masters, settings, &foreign.key, published_at, now).await {
                Ok(()) => self.counts.keys += 1,
                Err(TransferError::Exists(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(refusals)
    }
}

impl Counts {
    /// Counts a user who comes in. Sessions are counted when they are stored: some are there already.
    fn count(&mut self, user: &ImportedUser) {
        self.imported += 1;
        match user.password_hash {
            Some(_) => self.with_password += 1,
            None => self.without_password += 1,
        }
        self.identities += user.identities.len() as u64;
        self.passkeys += user.passkeys.len() as u64;
    }
}
