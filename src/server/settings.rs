//! What the configuration means to each part: one function a part.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use super::pictures::read_logo;
use super::{ServerError, federation};
use crate::clock::SystemClock;
use crate::config::{self, Config, JwtClaim, MasterKeySource};
use crate::domain::browser_session::SessionPolicy;
use crate::domain::key_schedule::KeyPolicy;
use crate::domain::mac::MacKey;
use crate::domain::refresh_token::RefreshPolicy;
use crate::flows::breaches::{self, BreachCheck};
use crate::flows::keys::location::KeyLocation;
use crate::flows::keys::{KeySettings, Lifetimes};
use crate::flows::masters::{Masters, ReadMasters};
use crate::flows::provider::{AccountSettings, NodeIdentity, Parts, Provider, Settings};
use crate::flows::registry::Registry;
use crate::flows::user_token::{UserField, UserTokenSettings};
use crate::http::better_auth::MailedLinks;
use crate::http::pages::view::Branding;
use crate::http::{BetterAuthSettings, SiteSettings};
use crate::jobs::send_mail::Post;
use crate::jose::pkcs11::{Pkcs11Settings, Pkcs11Token};
use crate::jose::read_master_keys;
use crate::jose::wrap::MasterKey;
use crate::mail::Mailer;
use crate::mail::mailbox::Mailbox;
use crate::mail::smtp::{Smtp, SmtpSettings};
use crate::mail::templates::{Brand, Templates};
use crate::outbound::{self, Policy};
use crate::password::{HashParams, Hasher, HasherSettings, StartError};
use crate::random::{Random, SystemRandom};
use crate::storage::Db;

/// How many passwords may wait for each thread that hashes. The deadline sheds those that would wait too long.
const HASH_QUEUE_PER_THREAD: usize = 128;

/// The master keys: the first wraps new keys.
///
/// # Errors
/// When there is none.
pub fn master_keys(settings: &config::Keys) -> Result<Vec<MasterKey>, ServerError> {
    Ok(match &settings.master_key {
        MasterKeySource::Value(text) => MasterKey::parse_all(text.expose())?,
        MasterKeySource::File(path) => read_master_keys(path)?,
    })
}

/// The PKCS#11 token, if one is configured. It is not asked for anything yet. [`Pkcs11Token::close`] it before the
/// process ends.
///
/// # Errors
/// When the system gives no thread.
pub fn pkcs11_token(settings: &config::Keys) -> Result<Option<Pkcs11Token>, ServerError> {
    let start = |token: &config::Pkcs11| {
        Pkcs11Token::start(Pkcs11Settings {
            module: token.module.clone(),
            token: token.token.clone(),
            pin: token.pin.clone(),
        })
    };
    settings
        .pkcs11
        .as_ref()
        .map(start)
        .transpose()
        .map_err(ServerError::Pkcs11)
}

/// The master keys of a server, which reads their file again when it needs another.
fn masters(settings: &config::Keys) -> Result<Masters, ServerError> {
    let read: Option<ReadMasters> = match &settings.master_key {
        MasterKeySource::Value(_) => None,
        MasterKeySource::File(path) => {
            let path = path.clone();
            Some(Arc::new(move || read_master_keys(&path)))
        }
    };
    Ok(Masters::new(master_keys(settings)?, read))
}

/// The threads that hash, `threads` of them, for whom waiting `queue_timeout` is not too long.
///
/// # Errors
/// When the settings are of no use, or the system gives no thread.
pub fn start_hasher(
    settings: &config::Passwords,
    threads: usize,
    queue_timeout: Duration,
) -> Result<Hasher, StartError> {
    Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: settings.memory_kib,
            iterations: settings.iterations,
            parallelism: settings.parallelism,
        },
        threads,
        queue_timeout,
        queue_length: threads * HASH_QUEUE_PER_THREAD,
    })
}

/// Who is asked about new passwords, if anybody is.
pub fn breach_check(settings: &config::Passwords) -> Option<BreachCheck> {
    let url = settings.breach_check_url.as_ref()?;
    Some(BreachCheck::new(
        url.as_str(),
        outbound::Client::new(breaches::POLICY),
    ))
}

/// The settings of the flows.
pub fn provider_settings(config: &Config) -> Settings {
    let tokens = &config.tokens;
    Settings {
        issuer: config.issuer.clone(),
        brand: config.branding.name.clone(),
        keys: key_settings(config),
        access_token_ttl: delta(tokens.access_token_ttl),
        id_token_ttl: delta(tokens.id_token_ttl),
        authorization_code_ttl: delta(tokens.authorization_code_ttl),
        refresh: RefreshPolicy {
            retry_window: delta(tokens.refresh_retry_window),
            recovery_window: delta(tokens.refresh_recovery_window),
            idle_ttl: delta(tokens.refresh_token_idle_ttl),
            ttl: delta(tokens.refresh_token_ttl),
        },
        sessions: SessionPolicy {
            ttl: delta(config.sessions.ttl),
            idle_ttl: delta(config.sessions.idle_ttl),
        },
        accounts: account_settings(&config.accounts),
        mail: config.mail.smtp_url.is_some(),
        min_strength: config.passwords.min_strength,
        breaches: breach_check(&config.passwords),
        rate_limits: config.rate_limit.enabled,
        user_tokens: user_token_settings(&config.better_auth),
        better_auth_secret: config
            .better_auth
            .secret
            .as_ref()
            .map(|secret| MacKey::new(secret.expose())),
    }
}

/// What the JWTs of `/api/auth/token` say.
fn user_token_settings(settings: &config::BetterAuth) -> UserTokenSettings {
    let all = [
        JwtClaim::Name,
        JwtClaim::Email,
        JwtClaim::EmailVerified,
        JwtClaim::Image,
        JwtClaim::CreatedAt,
        JwtClaim::UpdatedAt,
        JwtClaim::Id,
    ];
    let named = &settings.jwt_claims[..];
    let claims = if named.is_empty() { &all[..] } else { named };
    let field = |claim: &JwtClaim| match claim {
        JwtClaim::Name => UserField::Name,
        JwtClaim::Email => UserField::Email,
        JwtClaim::EmailVerified => UserField::EmailVerified,
        JwtClaim::Image => UserField::Image,
        JwtClaim::CreatedAt => UserField::CreatedAt,
        JwtClaim::UpdatedAt => UserField::UpdatedAt,
        JwtClaim::Id => UserField::Id,
    };
    UserTokenSettings {
        issuer: settings.jwt_issuer.clone(),
        audience: settings.jwt_audience.clone(),
        ttl: delta(settings.jwt_ttl),
        claims: claims.iter().map(field).collect(),
    }
}

/// What the addresses under `/api/auth` need to know.
fn better_auth_settings(settings: &config::BetterAuth) -> BetterAuthSettings {
    BetterAuthSettings {
        enabled: settings.enabled,
        trusted_origins: settings.trusted_origins.clone(),
        update_age: delta(settings.update_age),
        links: match settings.links {
            config::Links::Confirm => MailedLinks::Confirm,
            config::Links::Direct => MailedLinks::Direct,
        },
        cookie_cache_max_age: delta(settings.cookie_cache_max_age),
        multi_session: settings.multi_session,
        set_auth_jwt: settings.set_auth_jwt,
    }
}

fn account_settings(accounts: &config::Accounts) -> AccountSettings {
    AccountSettings {
        signup: accounts.signup,
        require_verified_email: accounts.require_verified_email,
        reset_ends_sessions: accounts.reset_ends_sessions,
        verify_on_signup: accounts.verify_on_signup,
        verify_on_login: accounts.verify_on_login,
        login_after_verification: accounts.login_after_verification,
        change_email: accounts.change_email,
        links_other_addresses: accounts.link_different_emails,
        confirm_email_change: accounts.confirm_email_change,
        deletion: accounts.deletion,
        confirm_deletion: accounts.confirm_deletion,
        fresh_age: delta(accounts.fresh_age),
    }
}

/// What mail goes through: the configured server, else the mailbox of `signet dev`, else nothing.
///
/// # Errors
/// When server, sender or templates are of no use.
pub(super) fn post(config: &Config, mailbox: Option<Arc<Mailbox>>) -> Result<Post, ServerError> {
    let smtp = smtp(&config.mail)?;
    if let Some(smtp) = smtp.as_ref().filter(|smtp| smtp.may_be_overheard()) {
        tracing::warn!(
            server = smtp.server_name(),
            "mail leaves this machine unencrypted, with links and codes that let whoever reads them in"
        );
    }
    let to_server = smtp.map(|smtp| Arc::new(smtp) as Arc<dyn Mailer>);
    Ok(Post {
        templates: Arc::new(mail_templates(config)?),
        mailer: to_server.or_else(|| mailbox.map(|mailbox| mailbox as Arc<dyn Mailer>)),
    })
}

/// What letters look like.
///
/// # Errors
/// When a template of the operator's is of no use.
pub fn mail_templates(config: &Config) -> Result<Templates, ServerError> {
    let accent = config.branding.accent;
    let brand = Brand {
        name: config.branding.name.clone(),
        site: config.issuer.clone(),
        accent: [accent.red, accent.green, accent.blue],
    };
    Ok(Templates::open(brand, config.mail.templates_dir.clone())?)
}

/// The configured mail server, which is not connected to yet.
///
/// # Errors
/// When its address or ours is none.
pub fn smtp(settings: &config::Mail) -> Result<Option<Smtp>, ServerError> {
    let (Some(url), Some(from)) = (&settings.smtp_url, &settings.from) else {
        return Ok(None);
    };
    let settings = SmtpSettings {
        url: url.clone(),
        from: from.clone(),
    };
    Ok(Some(Smtp::new(&settings, Arc::new(SystemClock))?))
}

/// What reaches the addresses that clients registered.
pub(super) fn to_clients(config: &Config) -> outbound::Client {
    outbound::Client::new(policy_to_clients(config))
}

/// An `http` issuer is on loopback, and so may its clients be.
fn policy_to_clients(config: &Config) -> Policy {
    let development = config.issuer.starts_with("http:");
    if development || config.clients.allow_private_addresses {
        Policy::OPERATORS
    } else {
        Policy::STRANGERS
    }
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("the configuration allows no longer duration than ten years")
}

/// What rules the keys.
pub fn key_settings(config: &Config) -> KeySettings {
    let (keys, tokens) = (&config.keys, &config.tokens);
    let user_tokens = Some(config.better_auth.jwt_ttl).filter(|_| config.better_auth.enabled);
    let signed = tokens.access_token_ttl.max(tokens.id_token_ttl);
    KeySettings {
        location: match keys.location {
            config::KeyLocation::Database => KeyLocation::Database,
            config::KeyLocation::Pkcs11 => KeyLocation::Pkcs11,
        },
        algorithms: keys.algorithms,
        policy: KeyPolicy {
            rotation_interval: delta(keys.rotation_interval),
            min_announce: delta(keys.min_announce),
            poll_interval: delta(keys.poll_interval),
            jwks_max_age: delta(keys.jwks_max_age),
            clock_skew: delta(keys.clock_skew),
            max_partition: delta(keys.max_partition),
        },
        lifetimes: Lifetimes {
            signed: delta(signed.max(user_tokens.unwrap_or_default())),
            refresh_token: delta(tokens.refresh_token_ttl),
            session: delta(config.sessions.ttl),
        },
    }
}

/// This node among the others.
fn node() -> NodeIdentity {
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    NodeIdentity {
        id: uuid::Builder::from_random_bytes(id).into_uuid(),
        name: format!("{}:{}", name.trim(), std::process::id()),
    }
}

/// The provider on a database whose schema is up to date.
///
/// # Errors
/// When keys, clients or resources cannot be read, or the master key is missing or another one.
pub async fn open_provider(config: &Config, db: &Db) -> Result<Provider, ServerError> {
    let passwords = &config.passwords;
    let settings = provider_settings(config);
    let unconfirmed = settings.keys.policy.longest_unconfirmed();
    let unconfirmed = unconfirmed.to_std().expect("a sum of durations");
    let parts = Parts {
        settings,
        db: db.clone(),
        federation: federation::federation(config)?,
        registry: Registry::open(db, config.cors.allowed_origins.clone(), unconfirmed).await?,
        passwords: start_hasher(passwords, passwords.hash_threads, passwords.hash_queue_timeout)?,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        masters: masters(&config.keys)?,
        pkcs11: pkcs11_token(&config.keys)?,
        node: node(),
    };
    Ok(Provider::open(parts).await?)
}

/// How the pages and the addresses look from outside.
///
/// # Errors
/// When the logo is none.
pub(super) fn site_settings(config: &Config) -> Result<SiteSettings, ServerError> {
    let branding = &config.branding;
    let accent = branding.accent;
    Ok(SiteSettings {
        cookie_prefix: config.sessions.cookie_prefix.clone(),
        cookie_domain: config.sessions.cookie_domain.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
        better_auth: better_auth_settings(&config.better_auth),
        branding: Branding {
            name: branding.name.clone(),
            logo: branding.logo.as_deref().map(read_logo).transpose()?,
            accent: [accent.red, accent.green, accent.blue],
            provider_icons: federation::icons(config)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_reached_at_private_addresses_only_where_that_is_allowed() {
        let policy = |issuer: &str, allowed: &str| {
            let variables = [
                ("SIGNET_ISSUER", issuer),
                ("SIGNET_CLIENTS__ALLOW_PRIVATE_ADDRESSES", allowed),
            ];
            let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let loaded = Config::load(None, variables).expect("a configuration");
            policy_to_clients(&loaded.config)
        };
        assert_eq!(policy("https://id.example", "false"), Policy::STRANGERS);
        assert_eq!(policy("https://id.example", "true"), Policy::OPERATORS);
        assert_eq!(policy("http://localhost:8080", "false"), Policy::OPERATORS);
    }
}
