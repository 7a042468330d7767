//! `[tokens]`

use std::time::Duration;

use super::reader::Reader;

/// How long tokens live.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// An access token; verifiers that look at nothing but the JWKS trust it so long.
    pub access_token_ttl: Duration,
    /// An ID token.
    pub id_token_ttl: Duration,
    /// An authorization code (RFC 6749 §4.1.2: at most ten minutes).
    pub authorization_code_ttl: Duration,
    /// A refresh token family since its last use.
    pub refresh_token_idle_ttl: Duration,
    /// A refresh token family since login.
    pub refresh_token_ttl: Duration,
    /// How long a spent refresh token gets its successor again: retries and parallel tabs.
    pub refresh_retry_window: Duration,
    /// How long a spent refresh token still gets a new successor while the first was never used: its answer
    /// was lost.
    pub refresh_recovery_window: Duration,
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let tokens = Self {
            access_token_ttl: reader.value("tokens.access_token_ttl", "10m"),
            id_token_ttl: reader.value("tokens.id_token_ttl", "10m"),
            authorization_code_ttl: reader.value("tokens.authorization_code_ttl", "60s"),
            refresh_token_idle_ttl: reader.value("tokens.refresh_token_idle_ttl", "14d"),
            refresh_token_ttl: reader.value("tokens.refresh_token_ttl", "90d"),
            refresh_retry_window: reader.value("tokens.refresh_retry_window", "30s"),
            refresh_recovery_window: reader.value("tokens.refresh_recovery_window", "24h"),
        };
        for (name, value) in [
            ("tokens.access_token_ttl", tokens.access_token_ttl),
            ("tokens.id_token_ttl", tokens.id_token_ttl),
        ] {
            reader.lasts(name, value, "1s", "24h");
            reader.check(
                name,
                value.subsec_nanos() == 0,
                "must be whole seconds, as `exp` is",
            );
        }
        reader.lasts(
            "tokens.authorization_code_ttl",
            tokens.authorization_code_ttl,
            "1s",
            "10m",
        );
        reader.lasts(
            "tokens.refresh_token_idle_ttl",
            tokens.refresh_token_idle_ttl,
            "1s",
            "10years",
        );
        reader.lasts(
            "tokens.refresh_token_ttl",
            tokens.refresh_token_ttl,
            "1s",
            "10years",
        );
        reader.lasts(
            "tokens.refresh_retry_window",
            tokens.refresh_retry_window,
            "0s",
            "1h",
        );
        reader.lasts(
            "tokens.refresh_recovery_window",
            tokens.refresh_recovery_window,
            "0s",
            "30d",
        );
        tokens
    }
}
