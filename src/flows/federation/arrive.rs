//! Whose account an arrival is.
//!
//! 1. The account that has the identity, whatever address either has.
//! 2. Of one that has the address: the operator may let both join where both verified it; else its user is asked.
//! 3. A new one, if there may be any. Its address counts as proven only if the provider is the authority for it.
//!
//! An address that somebody has is never taken, and an arrival never makes anything of an account's its own but what it
//! was given.

use chrono::{DateTime, Utc};

use super::Entry;
use super::policy::Linking;
use super::tokens::KeptTokens;
use crate::domain::browser_session::AMR_FEDERATED;
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::federation::{IdentityProfile, SealedTokens};
use crate::domain::ids::{IdentityId, UserId};
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::user::{Profile, User, is_picture, parse_name};
use crate::flows::accounts::proof;
use crate::flows::browser::{self, Browser, LoggedIn};
use crate::flows::limits::{self, Key, Limit};
use crate::flows::login::LoginError;
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::storage::identities::{self, NewIdentity};
use crate::storage::users::{self, Insertion, NewUser, Signup};
use crate::storage::{StorageError, Tx, sessions};
use crate::upstream::{Arrival, Person};

/// What became of an arrival.
#[derive(Debug)]
pub enum Outcome {
    /// The user is in.
    LoggedIn {
        /// The session.
        logged_in: Box<LoggedIn>,
        /// Whether the account was made just now.
        is_new: bool,
    },
    /// The account of the session has the identity.
    Linked,
    /// An account has the address: its user is to prove it first.
    AddressTaken,
    /// Nothing.
    Refused(Refusal),
}

/// Why nothing came of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The provider told no address, or none that is one.
    NoEmail,
    /// The operator lets other domains in.
    Domain,
    /// An account has the address, and nothing joins it.
    NotLinked,
    /// There is no account, and none is made.
    SignupDisabled,
    /// The account is of no use before its address is proven.
    EmailNotVerified,
    /// The user may do nothing.
    Disabled,
    /// The account of the session has another address.
    OtherEmail,
    /// The session is over, or the provider does not say that the address is verified.
    NotLinkable,
    /// Another account has the identity.
    LinkedElsewhere,
}

/// An arrival, ready to be stored.
#[derive(Debug)]
pub struct Arriving<'a> {
    /// The entry that it came by.
    pub entry: &'a Entry,
    /// Who came.
    pub arrival: &'a Arrival,
    /// Where a mail leads that proves the address.
    pub mail_params: &'a MailParams,
}

/// Signs somebody in who came from a provider, or up.
///
/// # Errors
/// When it could not be tried.
pub async fn sign_in(
    provider: &Provider,
    arriving: &Arriving<'_>,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, LoginError> {
    let Arriving { entry, arrival, .. } = arriving;
    if !entry.policy.admits(&arrival.person) {
        return Ok(refused_of_person(&arrival.person));
    }
    let known = identities::find_user(&provider.db, &arrival.issuer, &arrival.subject).await?;
    if let Some((identity, user)) = known {
        return Ok(known_user(provider, arriving, identity.id, user, browser, now).await?);
    }
    let email = arrival.person.email.as_deref().map(EmailAddress::parse);
    let Some(Ok(email)) = email else {
        return Ok(Outcome::Refused(Refusal::NoEmail));
    };
    match users::find_by_email(&provider.db, email.key()).await? {
        Some(account) => Ok(account_with_address(provider, arriving, account, browser, now).await?),
        None => stranger(provider, arriving, &email, browser, now).await,
    }
}

const fn refused_of_person(person: &Person) -> Outcome {
    Outcome::Refused(match person.email {
        None => Refusal::NoEmail,
        Some(_) => Refusal::Domain,
    })
}

/// 1. The identity is somebody's.
async fn known_user(
    provider: &Provider,
    arriving: &Arriving<'_>,
    identity: IdentityId,
    user: User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    if user.disabled_at.is_some() {
        return Ok(Outcome::Refused(Refusal::Disabled));
    }
    let proves = !user.email_verified && proves_address_of(arriving, &user);
    let must_verify = provider.settings.accounts.require_verified_email && !user.email_verified && !proves;
    let mails = must_verify && may_mail_proof(provider, &user.email, now).await?;
    let parts = Parts::of(provider, arriving, identity);
    let tx = provider.db.begin().await?;
    let user = if proves {
        // Whoever else was in the account before is not who reads the address. The identity goes too, and comes back.
        let Some(user) = proof::proven(&tx, user, now).await? else {
            tx.commit().await?;
            return Ok(Outcome::Refused(Refusal::Disabled));
        };
        identities::insert(&tx, user.id, &parts.row(arriving, identity), now).await?;
        user
    } else {
        identities::used(&tx, identity, &parts.row(arriving, identity), now).await?;
        user
    };
    if must_verify {
        if mails {
            mail_proof(provider, &tx, arriving, &user, browser, now).await?;
        }
        tx.commit().await?;
        return Ok(Outcome::Refused(Refusal::EmailNotVerified));
    }
    enter(provider, tx, arriving, &user, false, browser, now).await
}

/// Whether the provider's word proves the address that the account has.
fn proves_address_of(arriving: &Arriving<'_>, user: &User) -> bool {
    let Arriving { entry, arrival, .. } = arriving;
    let told = arrival.person.email.as_deref().and_then(EmailKey::of_typed);
    told.is_some()
        && told == EmailKey::of_typed(&user.email)
        && entry.policy.vouches_for(&arrival.person, entry.upstream.preset())
}

/// 2. Somebody has the address.
async fn account_with_address(
    provider: &Provider,
    arriving: &Arriving<'_>,
    account: User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let Arriving { entry, arrival, .. } = arriving;
    if entry.policy.linking == Linking::Never {
        return Ok(Outcome::Refused(Refusal::NotLinked));
    }
    let silently = entry
        .policy
        .links_silently(&arrival.person, entry.upstream.preset(), &account);
    if !silently {
        return Ok(Outcome::AddressTaken);
    }
    if account.disabled_at.is_some() {
        return Ok(Outcome::Refused(Refusal::Disabled));
    }
    let identity = IdentityId::generate(&*provider.random);
    let parts = Parts::of(provider, arriving, identity);
    let tx = provider.db.begin().await?;
    if !identities::insert(&tx, account.id, &parts.row(arriving, identity), now).await? {
        tx.commit().await?;
        return meanwhile(provider, arriving, browser, now).await;
    }
    tracing::info!(user.id = %account.id, provider.id = entry.id(), "an identity joined an account");
    enter(provider, tx, arriving, &account, false, browser, now).await
}

/// 3. Nobody knows identity or address.
async fn stranger(
    provider: &Provider,
    arriving: &Arriving<'_>,
    email: &EmailAddress,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, LoginError> {
    let Arriving { entry, arrival, .. } = arriving;
    let accounts = &provider.settings.accounts;
    if !(accounts.signup && entry.policy.signup) {
        return Ok(Outcome::Refused(Refusal::SignupDisabled));
    }
    limits::reserve(provider, &[(Limit::Signups, Key::from(browser.address))], now).await?;
    let person = &arrival.person;
    let verified = entry.policy.vouches_for(person, entry.upstream.preset());
    let may_log_in = verified || !accounts.require_verified_email;
    let picture = person.picture.as_deref().filter(|picture| is_picture(picture));
    let picture = picture.map(|picture| ("picture".to_owned(), picture.into()));
    let name = person.name.as_deref().and_then(parse_name);
    let new = NewUser {
        id: UserId::generate(&*provider.random),
        email,
        email_verified: verified,
        name: name.as_deref().unwrap_or_default(),
        profile: &Profile::new(picture.into_iter().collect()).unwrap_or_default(),
        password_hash: None,
        last_login_at: may_log_in.then_some(now),
        signup: (!verified).then(|| Signup {
            browser: browser.token,
            user_agent: browser.kept_user_agent(),
        }),
    };
    let wanted = !verified && (accounts.require_verified_email || accounts.verify_on_signup);
    let mails = wanted && may_mail_proof(provider, email.as_str(), now).await?;
    let identity = IdentityId::generate(&*provider.random);
    let parts = Parts::of(provider, arriving, identity);
    let tx = provider.db.begin().await?;
    let made = users::insert(&tx, &new, now).await? == Insertion::Inserted
        && identities::insert(&tx, new.id, &parts.row(arriving, identity), now).await?;
    if !made {
        // Nothing of this one is committed.
        drop(tx);
        return Ok(meanwhile(provider, arriving, browser, now).await?);
    }
    let Some(user) = users::find(&tx, new.id).await? else {
        return Ok(Outcome::Refused(Refusal::Disabled));
    };
    tracing::info!(user.id = %new.id, provider.id = entry.id(), "a user signed up through a provider");
    metrics::counter!("signet_signups_total").increment(1);
    if mails {
        mail_proof(provider, &tx, arriving, &user, browser, now).await?;
    }
    if !may_log_in {
        tx.commit().await?;
        return Ok(Outcome::Refused(Refusal::EmailNotVerified));
    }
    Ok(enter(provider, tx, arriving, &user, true, browser, now).await?)
}

/// The same person came twice at once, or somebody took the address in this moment: the other one was first.
async fn meanwhile(
    provider: &Provider,
    arriving: &Arriving<'_>,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let arrival = arriving.arrival;
    match identities::find_user(&provider.db, &arrival.issuer, &arrival.subject).await? {
        Some((identity, user)) => known_user(provider, arriving, identity.id, user, browser, now).await,
        None if arriving.entry.policy.linking == Linking::Never => Ok(Outcome::Refused(Refusal::NotLinked)),
        None => Ok(Outcome::AddressTaken),
    }
}

/// Whether a link that proves an address may be mailed there now. Asked before the transaction: it takes a connection of
/// its own, and whoever holds one while waiting for another can wait for ever.
async fn may_mail_proof(provider: &Provider, email: &str, now: DateTime<Utc>) -> Result<bool, StorageError> {
    match EmailKey::of_typed(email).filter(|_| provider.settings.mail) {
        Some(key) => mails::may_follow(provider, &key, now).await,
        None => Ok(false),
    }
}

/// Mails the link that proves the address of a user.
async fn mail_proof(
    provider: &Provider,
    tx: &Tx,
    arriving: &Arriving<'_>,
    user: &User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = mails::asked_by(browser, arriving.mail_params, now);
    mails::ask_of(provider, tx, MailKind::VerifyEmail, user, &params, now).await
}

/// Begins the session.
async fn enter(
    provider: &Provider,
    tx: Tx,
    arriving: &Arriving<'_>,
    user: &User,
    is_new: bool,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let logged_in = browser::begin_session(provider, &tx, user, browser, amr(arriving.arrival), now).await?;
    let Some(logged_in) = logged_in else {
        tx.commit().await?;
        return Ok(Outcome::Refused(Refusal::Disabled));
    };
    sessions::came_by(&tx, logged_in.session.id, arriving.entry.id()).await?;
    tx.commit().await?;
    browser::end_replaced(provider, user.id, browser, now).await?;
    tracing::info!(user.id = %user.id, provider.id = arriving.entry.id(), "a user logged in through a provider");
    metrics::counter!("signet_logins_total").increment(1);
    Ok(Outcome::LoggedIn {
        logged_in: Box::new(logged_in),
        is_new,
    })
}

/// How the user came (RFC 8176): through another provider, and by what that one says.
fn amr(arrival: &Arrival) -> Vec<String> {
    let there = arrival
        .amr
        .iter()
        .filter(|method| *method != AMR_FEDERATED)
        .cloned();
    std::iter::once(AMR_FEDERATED.to_owned()).chain(there).collect()
}

/// Which identities may be added to the account of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRule {
    /// Any that the user comes back with.
    Any,
    /// Those whose address is verified there.
    Verified,
    /// Those that have the account's own address, verified there.
    SameAddress,
}

impl LinkRule {
    /// Clients of the Better Auth protocol rely on its rules.
    pub const fn of_protocol(provider: &Provider) -> Self {
        if provider.settings.accounts.links_other_addresses {
            Self::Verified
        } else {
            Self::SameAddress
        }
    }
}

/// Adds an identity to an account.
///
/// # Errors
/// When the database does not answer.
pub async fn link(
    provider: &Provider,
    arriving: &Arriving<'_>,
    user: &User,
    rule: LinkRule,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let Arriving { entry, arrival, .. } = arriving;
    let person = &arrival.person;
    if !entry.policy.admits(person) {
        return Ok(refused_of_person(person));
    }
    if rule != LinkRule::Any && !person.email_verified {
        return Ok(Outcome::Refused(Refusal::NotLinkable));
    }
    let told = person.email.as_deref().and_then(EmailKey::of_typed);
    if rule == LinkRule::SameAddress && told != EmailKey::of_typed(&user.email) {
        return Ok(Outcome::Refused(Refusal::OtherEmail));
    }
    let identity = IdentityId::generate(&*provider.random);
    let parts = Parts::of(provider, arriving, identity);
    let inserted = identities::insert(&provider.db, user.id, &parts.row(arriving, identity), now).await?;
    if inserted {
        tracing::info!(user.id = %user.id, provider.id = entry.id(), "an identity was linked");
        return Ok(Outcome::Linked);
    }
    match identities::find_user(&provider.db, &arrival.issuer, &arrival.subject).await? {
        Some((known, owner)) if owner.id == user.id => {
            let parts = Parts::of(provider, arriving, known.id);
            identities::used(&provider.db, known.id, &parts.row(arriving, known.id), now).await?;
            Ok(Outcome::Linked)
        }
        _ => Ok(Outcome::Refused(Refusal::LinkedElsewhere)),
    }
}

/// What of an arrival is stored with its identity.
struct Parts {
    profile: IdentityProfile,
    tokens: Option<SealedTokens>,
}

impl Parts {
    fn of(provider: &Provider, arriving: &Arriving<'_>, identity: IdentityId) -> Self {
        let Arriving { entry, arrival, .. } = arriving;
        let person = &arrival.person;
        let tokens = arrival.tokens.as_ref().filter(|_| entry.keeps_tokens);
        Self {
            profile: IdentityProfile {
                name: person.name.as_deref().and_then(parse_name),
                email: person.email.clone(),
                picture: person.picture.clone().filter(|picture| is_picture(picture)),
            },
            tokens: tokens.and_then(|tokens| KeptTokens::of(tokens).seal(provider, identity)),
        }
    }

    fn row<'a>(&'a self, arriving: &'a Arriving<'_>, id: IdentityId) -> NewIdentity<'a> {
        NewIdentity {
            id,
            provider: arriving.entry.id(),
            issuer: &arriving.arrival.issuer,
            subject: &arriving.arrival.subject,
            profile: &self.profile,
            tokens: self.tokens.as_ref(),
        }
    }
}
