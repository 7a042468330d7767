//! The login of one browser, and the tokens that stand for it.
//!
//! A session's token is a MAC over its id, so it rests nowhere and the database alone forges none. The cookie
//! carries it in a form that others fixed: the token, a dot, and the standard base64 of its HMAC under the
//! cookie's key. On https a second cookie, which no sibling host can set, must come with it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};

use super::ids::{SessionId, UserId};
use super::mac::{MAC_LENGTH, MacKey, MacKeys};
use super::secret::{Secret, TokenHash};
use super::session_token::{self, Form};

/// The `acr` of a login with one factor. The standard's `0` would say that it must not be trusted at all;
/// names of our own would mean nothing to others (OpenID Connect Core 1.0 §2).
pub const ACR_SINGLE_FACTOR: &str = "1";

/// The `amr` of a password (RFC 8176 §2).
pub const AMR_PASSWORD: &str = "pwd";

/// The `amr` of what was mailed and came back: a link or a code, good once (RFC 8176 §2).
pub const AMR_ONE_TIME: &str = "otp";

/// The `amr` of whoever came from another provider. RFC 8176 has no name for it; what that provider says of its own login
/// follows.
pub const AMR_FEDERATED: &str = "fed";

const BIND_PURPOSE: &str = "signet/bind/v1";

/// A browser session.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserSession {
    /// Its id: the `sid` of tokens.
    pub id: SessionId,
    /// Who is logged in.
    pub user_id: UserId,
    /// The user's epoch at the login.
    pub epoch: i64,
    /// When the user last proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How strongly.
    pub acr: String,
    /// By what (RFC 8176).
    pub amr: Vec<String>,
    /// Where the login came from.
    pub ip_address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: DateTime<Utc>,
    /// When it ends for want of use.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
    /// Whether it outlives its browser, and its life grows with its use.
    pub remembered: bool,
}

impl fmt::Debug for BrowserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSession")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// How long sessions last.
#[derive(Debug, Clone, Copy)]
pub struct SessionPolicy {
    /// `sessions.ttl`: since the login.
    pub ttl: TimeDelta,
    /// `sessions.idle_ttl`: since the last use, capped by the other.
    pub idle_ttl: TimeDelta,
}

/// How long a session lasts that is not remembered.
const UNREMEMBERED_TTL: TimeDelta = TimeDelta::days(1);

impl SessionPolicy {
    /// How long a session may live that begins now: without use, and in any case.
    pub fn lives(self, remembered: bool) -> (TimeDelta, TimeDelta) {
        if remembered {
            (self.idle_ttl.min(self.ttl), self.ttl)
        } else {
            let ttl = UNREMEMBERED_TTL.min(self.ttl);
            (ttl, ttl)
        }
    }
}

/// A use is written down when the last one written is older than this; more often would make every request
/// a write.
const TOUCH_INTERVAL: TimeDelta = TimeDelta::minutes(1);

impl BrowserSession {
    /// Whether this use of the session is worth writing down.
    pub fn is_due_for_touch(&self, now: DateTime<Utc>) -> bool {
        now >= self.last_used_at + TOUCH_INTERVAL
    }

    /// When its life last grew, as its expiry tells. One at the end of its life grows no more.
    pub fn extended_at(&self, policy: SessionPolicy) -> DateTime<Utc> {
        if self.remembered && self.idle_expires_at < self.expires_at {
            (self.idle_expires_at - policy.idle_ttl).max(self.created_at)
        } else {
            self.last_used_at
        }
    }

    /// Whether a use at `now` makes its life longer, for whoever does so every `update_age` at most.
    pub fn is_due_for_extension(
        &self,
        policy: SessionPolicy,
        update_age: TimeDelta,
        now: DateTime<Utc>,
    ) -> bool {
        self.remembered
            && self.idle_expires_at < self.expires_at
            && now >= self.extended_at(policy) + update_age
    }
}

/// The cookie's value for a session, not yet percent-encoded.
pub fn write_cookie(session: SessionId, issuer: &str, tokens: &MacKeys, cookies: &MacKeys) -> Secret {
    let token = session_token::write(Form::Cookie, session, issuer, tokens);
    sign(token.expose(), cookies)
}

/// The session that a cookie's value stands for. `None` for anything that [`write_cookie`] cannot have made.
/// Whether the session lives is the database's to say.
pub fn read_cookie(value: &str, issuer: &str, tokens: &MacKeys, cookies: &MacKeys) -> Option<SessionId> {
    let token = signed(value, cookies)?;
    session_token::read(Form::Cookie, token, issuer, tokens)
}

/// A value with its signature behind: the form that Better Auth gives to cookies, not yet percent-encoded.
pub fn sign(value: &str, cookies: &MacKeys) -> Secret {
    let signature = cookies.current().1.plain(value.as_bytes());
    Secret::new(format!("{value}.{}", STANDARD.encode(signature)))
}

/// The value in front of a signature that is right.
pub fn signed<'a>(text: &'a str, cookies: &MacKeys) -> Option<&'a str> {
    let (value, signature) = text.rsplit_once('.')?;
    let mut mac = [0; MAC_LENGTH + 1];
    let decoded = STANDARD.decode_slice(signature, &mut mac).ok()?;
    let signs = |key: &super::mac::MacKey| key.plain_verifies(value.as_bytes(), &mac[..decoded]);
    (decoded == MAC_LENGTH && cookies.all().any(signs)).then_some(value)
}

/// What every token of ours starts with.
const OURS: &str = "signet_";

/// The longest token of a session that moved in. Better Auth's have 32 characters.
const MAX_IMPORTED_TOKEN: usize = 256;

/// The hash of the token in a cookie that the Better Auth server before us set, signed with its `secret`. Whether a
/// session moved in under it is the database's to say.
pub fn read_imported_cookie(value: &str, secret: &MacKey) -> Option<TokenHash> {
    let (token, signature) = value.rsplit_once('.')?;
    let mut mac = [0; MAC_LENGTH + 1];
    let decoded = STANDARD.decode_slice(signature, &mut mac).ok()?;
    let fits = (1..=MAX_IMPORTED_TOKEN).contains(&token.len()) && decoded == MAC_LENGTH;
    // One of ours has a reader of its own, and is never good for its hash.
    if !fits || token.starts_with(OURS) {
        return None;
    }
    secret
        .plain_verifies(token.as_bytes(), &mac[..decoded])
        .then(|| TokenHash::of_foreign(token))
}

/// The value of the cookie that binds a session to this very host.
pub fn write_bind(session: SessionId, issuer: &str, cookies: &MacKeys) -> Secret {
    let parts: [&[u8]; 2] = [issuer.as_bytes(), session.as_uuid().as_bytes()];
    Secret::new(URL_SAFE_NO_PAD.encode(cookies.current().1.mac(BIND_PURPOSE, &parts)))
}

/// Whether `value` binds `session`.
pub fn bind_matches(value: &str, session: SessionId, issuer: &str, cookies: &MacKeys) -> bool {
    let Ok(mac) = URL_SAFE_NO_PAD.decode(value) else {
        return false;
    };
    let parts: [&[u8]; 2] = [issuer.as_bytes(), session.as_uuid().as_bytes()];
    cookies.all().any(|key| key.verifies(BIND_PURPOSE, &parts, &mac))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn keys(version: i32, byte: u8) -> MacKeys {
        MacKeys::new(version, vec![(version, MacKey::new(vec![byte; 32]))]).expect("a current key")
    }

    const ISSUER: &str = "https://id.example";

    #[test]
    fn a_cookie_reads_back_and_one_changed_character_does_not() {
        let (tokens, cookies) = (keys(1, 1), keys(1, 2));
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        let value = write_cookie(session, ISSUER, &tokens, &cookies);
        let value = value.expose();
        assert!(value.starts_with("signet_st_") && value.ends_with('='));
        assert_eq!(value.rsplit_once('.').map(|(_, mac)| mac.len()), Some(44));
        assert_eq!(read_cookie(value, ISSUER, &tokens, &cookies), Some(session));
        for at in 0..value.len() {
            let mut wrong = value.to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert_eq!(read_cookie(&wrong, ISSUER, &tokens, &cookies), None, "{at}");
        }
        assert_eq!(read_cookie(value, "https://other", &tokens, &cookies), None);
        assert_eq!(read_cookie(value, ISSUER, &keys(1, 3), &cookies), None);
        assert_eq!(read_cookie(value, ISSUER, &tokens, &keys(1, 3)), None);
    }

    #[test]
    fn a_cookie_of_the_better_auth_server_before_reads_with_its_secret_alone() {
        // Made by that server: the token and its HMAC under the secret, in base64.
        let (token, secret) = (
            "VNHi9gMXdkJ9YkrpGUFQ0gwiD5yYRhZp",
            MacKey::new(*b"a secret of thirty-two characters"),
        );
        let signed = format!("{token}.{}", STANDARD.encode(secret.plain(token.as_bytes())));
        let hash = read_imported_cookie(&signed, &secret);
        assert_eq!(hash, Some(TokenHash::of_foreign(token)));
        let other = MacKey::new(*b"another");
        assert_eq!(read_imported_cookie(&signed, &other), None);
        assert_eq!(read_imported_cookie(&signed.replace("VNH", "vNH"), &secret), None);
        assert_eq!(read_imported_cookie(token, &secret), None);
        let ours = "signet_st_abc";
        let signed = format!("{ours}.{}", STANDARD.encode(secret.plain(ours.as_bytes())));
        assert_eq!(read_imported_cookie(&signed, &secret), None);
    }

    #[test]
    fn a_rotated_key_still_reads_what_it_wrote() {
        let old = keys(1, 1);
        let both = MacKeys::new(
            2,
            vec![(1, MacKey::new(vec![1; 32])), (2, MacKey::new(vec![9; 32]))],
        )
        .expect("a current key");
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        let value = write_cookie(session, ISSUER, &old, &old);
        assert_eq!(read_cookie(value.expose(), ISSUER, &both, &both), Some(session));
        let bind = write_bind(session, ISSUER, &old);
        assert!(bind_matches(bind.expose(), session, ISSUER, &both));
        let other = SessionId::from(Uuid::from_bytes([8; 16]));
        assert!(!bind_matches(bind.expose(), other, ISSUER, &both));
        assert!(!bind_matches("", session, ISSUER, &both));
    }
}
