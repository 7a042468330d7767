//! A token that carries a session from one place to another, once and within three minutes: from an application to a
//! browser, or from one domain to another.
//!
//! It is a MAC over everything in it, so making one writes nothing anywhere; the database keeps the hashes of those
//! that were spent. It remembers what it was made from: a session that was shown as a bearer token does not become
//! a cookie by way of it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::ids::SessionId;
use super::mac::{MAC_LENGTH, MacKeys};
use super::secret::Secret;
use super::session_token::Form;
use crate::random::Random;

/// How long a token is good.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(3);

const PREFIX: &str = "signet_ot_";
const PURPOSE: &str = "signet/ot/v1";
const NONCE: usize = 18;
const BODY: usize = NONCE + 16 + 8 + 1;
const LENGTH: usize = BODY + MAC_LENGTH;
const ENCODED: usize = LENGTH * 4 / 3;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneTimeToken {
    /// The session that it stands for.
    pub session: SessionId,
    /// What its maker held, and no more than that is given for it.
    pub form: Form,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// What is kept of it once it is spent.
    pub hash: [u8; 32],
}

/// Makes a token for a session whose holder showed `form`.
pub fn write(
    session: SessionId,
    form: Form,
    issuer: &str,
    keys: &MacKeys,
    random: &dyn Random,
    now: DateTime<Utc>,
) -> Secret {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    random.fill(&mut bytes[..NONCE]);
    bytes[NONCE..NONCE + 16].copy_from_slice(session.as_uuid().as_bytes());
    let expires_at = (now + LIFETIME).timestamp();
    bytes[NONCE + 16..BODY - 1].copy_from_slice(&expires_at.to_be_bytes());
    bytes[BODY - 1] = u8::from(form == Form::Cookie);
    let mac = keys
        .current()
        .1
        .mac(PURPOSE, &[issuer.as_bytes(), &bytes[..BODY]]);
    bytes[BODY..].copy_from_slice(&mac);
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..]));
    Secret::new(format!("{PREFIX}{}", *encoded))
}

/// Reads a token that is still good by the time. `None` for anything that [`write()`] cannot have made, and for what
/// has expired. Whether it was spent is the database's to say.
pub fn read(token: &str, issuer: &str, keys: &MacKeys, now: DateTime<Utc>) -> Option<OneTimeToken> {
    let encoded = token.strip_prefix(PREFIX)?;
    let mut bytes = Zeroizing::new([0; LENGTH]);
    if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]) != Ok(LENGTH) {
        return None;
    }
    let (body, mac) = bytes.split_first_chunk::<BODY>()?;
    let signed = |key: &super::mac::MacKey| key.verifies(PURPOSE, &[issuer.as_bytes(), body], mac);
    if !keys.all().any(signed) {
        return None;
    }
    let (_, rest) = body.split_first_chunk::<NONCE>()?;
    let (session, rest) = rest.split_first_chunk::<16>()?;
    let (expires_at, grade) = rest.split_first_chunk::<8>()?;
    let expires_at = DateTime::from_timestamp(i64::from_be_bytes(*expires_at), 0)?;
    (now < expires_at).then(|| OneTimeToken {
        session: SessionId::from(Uuid::from_bytes(*session)),
        form: if grade == [1] { Form::Cookie } else { Form::Bearer },
        expires_at,
        hash: Sha256::digest(token.as_bytes()).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mac::MacKey;
    use crate::random::SeededRandom;

    const ISSUER: &str = "https://id.example";

    fn keys() -> MacKeys {
        MacKeys::new(1, vec![(1, MacKey::new(vec![1; 32]))]).expect("a current key")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    #[test]
    fn a_token_says_what_went_into_it_until_its_time_is_over() {
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        let random = SeededRandom::new(1);
        for form in [Form::Cookie, Form::Bearer] {
            let token = write(session, form, ISSUER, &keys(), &random, at(0));
            let token = token.expose();
            let read = |now| read(token, ISSUER, &keys(), at(now));
            let said = read(179).expect("it is good");
            assert_eq!((said.session, said.form), (session, form));
            assert_eq!(read(180), None);
            assert_eq!(super::read(token, "https://other.example", &keys(), at(0)), None);
            for at_byte in 0..token.len() {
                let mut wrong = token.to_owned().into_bytes();
                wrong[at_byte] = if wrong[at_byte] == b'A' { b'B' } else { b'A' };
                let wrong = String::from_utf8(wrong).expect("ASCII");
                assert_eq!(super::read(&wrong, ISSUER, &keys(), at(0)), None, "{at_byte}");
            }
        }
    }

    #[test]
    fn two_tokens_of_one_moment_are_two() {
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        let random = SeededRandom::new(1);
        let hash = || {
            let token = write(session, Form::Cookie, ISSUER, &keys(), &random, at(0));
            read(token.expose(), ISSUER, &keys(), at(0))
                .expect("it is good")
                .hash
        };
        assert_ne!(hash(), hash());
    }
}
