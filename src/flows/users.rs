//! What an operator does to accounts. Passwords keep the same rules as at signup; disabling and a new password
//! move the user's credential epoch, which every path that issues or accepts anything looks at.

use chrono::{DateTime, Utc};

use super::breaches::BreachCheck;
use super::signup::{Judges, PasswordFault, new_password};
use crate::domain::email::{EmailAddress, EmailKey, InvalidEmail};
use crate::domain::ids::UserId;
use crate::domain::password::{PasswordHash, PasswordRule};
use crate::domain::secret::Secret;
use crate::domain::subject::Subject;
use crate::domain::user::{self, Profile, User};
use crate::password::{Busy, Hasher, SALT_LENGTH, Strength};
use crate::random::Random;
use crate::storage::users::{self, Insertion, NewUser};
use crate::storage::{Db, Execute, StorageError};

/// How an operator names a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    /// The id.
    Id(UserId),
    /// The address.
    Email(EmailKey),
    /// The `sub` that an imported user brought along.
    Subject(String),
}

impl UserName {
    /// Reads any of them; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(id) => Some(Self::Id(id)),
            Err(_) => match EmailKey::of_typed(text) {
                Some(key) => Some(Self::Email(key)),
                None => Subject::parse(text)
                    .ok()
                    .map(|subject| Self::Subject(subject.to_string())),
            },
        }
    }
}

/// An account to be made.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Its address.
    pub email: &'a str,
    /// Whether the operator vouches for the address.
    pub email_verified: bool,
    /// What people call the user.
    pub name: &'a str,
    /// Further standard claims.
    pub profile: &'a Profile,
    /// The password as it was typed.
    pub password: &'a Secret,
}

/// Why an account was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The address is none.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// The name is empty, too long, or has control characters.
    #[error(
        "a name has 1 to {} characters, and no control characters",
        user::MAX_NAME_LENGTH
    )]
    Name,
    /// Another account has the address.
    #[error("another account has this e-mail address")]
    EmailTaken,
    /// There is no such user.
    #[error("there is no such user")]
    Unknown,
    /// The password is too short or too long.
    #[error(transparent)]
    Password(#[from] PasswordRule),
    /// The password is known from a leak.
    #[error("the password is known from a leak")]
    Leaked,
    /// The password can be guessed.
    #[error("the password is too easy to guess")]
    Guessable(Strength),
    /// The threads that hash are all busy.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database did not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What changing accounts takes.
#[derive(Debug)]
pub struct Users<'a> {
    /// Where they rest.
    pub db: &'a Db,
    /// What judges and hashes passwords.
    pub passwords: &'a Hasher,
    /// Makes ids and salts.
    pub random: &'a dyn Random,
    /// The least zxcvbn score of a new password.
    pub min_strength: u8,
    /// Who knows which passwords have leaked.
    pub breaches: Option<BreachCheck>,
    /// What the provider calls itself; nobody should have it as a password.
    pub brand: &'a str,
}

impl Users<'_> {
    /// Makes an account.
    ///
    /// # Errors
    /// When a value is not acceptable, the address is taken, or the database fails.
    pub async fn create(&self, account: &NewAccount<'_>, now: DateTime<Utc>) -> Result<User, UsersError> {
        let email = EmailAddress::parse(account.email)?;
        let name = user::parse_name(account.name).ok_or(UsersError::Name)?;
        // Told before the work of a hash; the insertion below decides.
        if users::find_by_email(self.db, email.key()).await?.is_some() {
            return Err(UsersError::EmailTaken);
        }
        let hash = self
            .hash(account.password.expose(), email.as_str(), &name)
            .await?;
        let id = UserId::generate(self.random);
        let new = NewUser {
            id,
            email: &email,
            email_verified: account.email_verified,
            name: &name,
            profile: account.profile,
            password_hash: Some(&hash),
            last_login_at: None,
            signup: None,
        };
        match users::insert(self.db, &new, now).await? {
            Insertion::Inserted => users::find(self.db, id).await?.ok_or(UsersError::Unknown),
            Insertion::EmailTaken => Err(UsersError::EmailTaken),
        }
    }

    /// Gives a user a new password. Whatever was issued before dies: sessions, codes, refresh tokens.
    ///
    /// # Errors
    /// When the password is not acceptable, the user is gone, or the database fails.
    pub async fn set_password(&self, user: &User, text: &str, now: DateTime<Utc>) -> Result<(), UsersError> {
        let hash = self.hash(text, &user.email, &user.name).await?;
        if users::set_password(self.db, user.id, &hash, now).await? {
            Ok(())
        } else {
            Err(UsersError::Unknown)
        }
    }

    async fn hash(&self, text: &str, email: &str, name: &str) -> Result<PasswordHash, UsersError> {
        let known = [email, name, self.brand];
        let judges = Judges {
            passwords: self.passwords,
            min_strength: self.min_strength,
            breaches: self.breaches.as_ref(),
        };
        let password = match new_password(judges, text, &known).await? {
            Ok(password) => password,
            Err(PasswordFault::Rule(rule)) => return Err(rule.into()),
            Err(PasswordFault::Leaked) => return Err(UsersError::Leaked),
            Err(PasswordFault::Weak(strength)) => return Err(UsersError::Guessable(strength)),
        };
        let mut salt = [0; SALT_LENGTH];
        self.random.fill(&mut salt);
        Ok(self.passwords.hash(&password, salt).await?)
    }
}

/// The user of that name.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn find(db: &impl Execute, name: &UserName) -> Result<User, UsersError> {
    let found = match name {
        UserName::Id(id) => users::find(db, *id).await?,
        UserName::Email(key) => users::find_by_email(db, key).await?,
        UserName::Subject(subject) => users::find_by_subject(db, subject).await?,
    };
    found.ok_or(UsersError::Unknown)
}

/// The next `limit` users after the id `after`, in the order of their ids.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &impl Execute, after: UserId, limit: i64) -> Result<Vec<User>, UsersError> {
    Ok(users::list(db, after, limit).await?)
}

/// Forbids a user everything, at once and everywhere, and ends what was issued before.
///
/// # Errors
/// When there is no such user, or the database fails.
pub async fn disable(db: &impl Execute, user: UserId, now: DateTime<Utc>) -> Result<User, UsersError> {
    users::disable(db, user, now).await?.ok_or(UsersError::Unknown)
}

/// Lets a disabled user log in again. What was issued before stays dead.
///
/// # Errors
/// When there is no such user, or the database fails.
pub async fn enable(db: &impl Execute, user: UserId) -> Result<User, UsersError> {
    users::enable(db, user).await?.ok_or(UsersError::Unknown)
}

/// Deletes a user with all sessions, tokens and consents.
///
/// # Errors
/// When there is no such user, or the database fails.
pub async fn delete(db: &Db, user: UserId, now: DateTime<Utc>) -> Result<(), UsersError> {
    let tx = db.begin().await?;
    let deleted = users::delete(&tx, user, now).await?;
    tx.commit().await?;
    if deleted { Ok(()) } else { Err(UsersError::Unknown) }
}
