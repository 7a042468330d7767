//! What is mailed to prove that somebody reads an address: links, and codes of six digits.
//!
//! Both are MACs of the id of their row, so they rest nowhere and the database alone forges none. A link is good for
//! one purpose; the purpose is inside the MAC.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::ids::{MailId, UserId};
use super::mac::{MAC_LENGTH, MacKey, MacKeys};
use super::secret::{Secret, TokenHash};

/// What every mailed link's token starts with.
const PREFIX: &str = "signet_ml_";
const LINK_PURPOSE: &str = "signet/ml/v1";
const CODE_PURPOSE: &str = "signet/mailed-code/v1";
const LENGTH: usize = 16 + MAC_LENGTH;
const ENCODED: usize = LENGTH * 4 / 3;

/// How many wrong codes a code survives.
pub const CODE_ATTEMPTS: i32 = 3;

/// What a link or code is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The address of an account is its user's.
    VerifyEmail,
    /// A new password.
    ResetPassword,
    /// Somebody at the present address agrees to another one.
    ConfirmEmailChange,
    /// The new address is the user's.
    VerifyNewEmail,
    /// The change of address was not the user's wish.
    UndoEmailChange,
    /// The account is to be deleted.
    DeleteAccount,
    /// A login without a password.
    SignIn,
    /// [`SignIn`](Self::SignIn), as a code.
    SignInCode,
    /// [`VerifyEmail`](Self::VerifyEmail), as a code.
    VerifyEmailCode,
    /// [`ResetPassword`](Self::ResetPassword), as a code.
    ResetPasswordCode,
    /// [`VerifyNewEmail`](Self::VerifyNewEmail), as a code.
    VerifyNewEmailCode,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 11] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ConfirmEmailChange,
        Self::VerifyNewEmail,
        Self::UndoEmailChange,
        Self::DeleteAccount,
        Self::SignIn,
        Self::SignInCode,
        Self::VerifyEmailCode,
        Self::ResetPasswordCode,
        Self::VerifyNewEmailCode,
    ];

    /// The purpose as the database and the MAC name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::VerifyNewEmail => "verify_new_email",
            Self::UndoEmailChange => "undo_email_change",
            Self::DeleteAccount => "delete_account",
            Self::SignIn => "sign_in",
            Self::SignInCode => "sign_in_code",
            Self::VerifyEmailCode => "verify_email_code",
            Self::ResetPasswordCode => "reset_password_code",
            Self::VerifyNewEmailCode => "verify_new_email_code",
        }
    }

    /// The purpose that the database named.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }

    /// How long it is good for.
    pub const fn lifetime(self) -> TimeDelta {
        match self {
            Self::VerifyEmail | Self::ConfirmEmailChange | Self::VerifyNewEmail => TimeDelta::hours(1),
            Self::ResetPassword => TimeDelta::minutes(30),
            Self::UndoEmailChange => TimeDelta::days(7),
            Self::DeleteAccount => TimeDelta::days(1),
            Self::SignIn
            | Self::SignInCode
            | Self::VerifyEmailCode
            | Self::ResetPasswordCode
            | Self::VerifyNewEmailCode => TimeDelta::minutes(5),
        }
    }

    /// Whether it dies when the user's epoch moves. The undoing of a change of address must outlive a password that a
    /// thief set.
    pub const fn dies_with_epoch(self) -> bool {
        !matches!(self, Self::UndoEmailChange)
    }
}

/// A mailed link or code as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct MailedLink {
    /// Its id, which is that of its mail.
    pub id: MailId,
    /// What it is good for.
    pub purpose: Purpose,
    /// Whose account; none where a login may make one.
    pub user_id: Option<UserId>,
    /// The address that whoever has it reads.
    pub email: String,
    /// What else it needs.
    pub details: Details,
    /// The browser that asked for it.
    pub browser: Option<TokenHash>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl fmt::Debug for MailedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailedLink")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// What a link needs beyond its address.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The address that an account is to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// The name of an account that a login makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where a mail that follows from this link leads back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// Whether a mail that follows leads to the Better Auth face.
    #[serde(default)]
    pub better_auth: bool,
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Details")
    }
}

/// The token of a link.
pub fn write_link(purpose: Purpose, id: MailId, issuer: &str, keys: &MacKeys) -> Secret {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    bytes[..16].copy_from_slice(id.as_uuid().as_bytes());
    bytes[16..].copy_from_slice(&keys.current().1.mac(LINK_PURPOSE, &parts(purpose, &id, issuer)));
    Secret::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(&bytes[..])))
}

/// The id in a token that was made for `purpose`. `None` for anything that [`write_link`] cannot have made; whether
/// the link is still good is the database's to say.
pub fn read_link(purpose: Purpose, token: &str, issuer: &str, keys: &MacKeys) -> Option<MailId> {
    let encoded = token.strip_prefix(PREFIX)?;
    let mut bytes = Zeroizing::new([0; LENGTH]);
    if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]) != Ok(LENGTH) {
        return None;
    }
    let (id, mac) = bytes.split_first_chunk::<16>()?;
    let id = MailId::from(Uuid::from_bytes(*id));
    keys.all()
        .any(|key| key.verifies(LINK_PURPOSE, &parts(purpose, &id, issuer), mac))
        .then_some(id)
}

/// The six digits of a code.
pub fn write_code(purpose: Purpose, id: MailId, issuer: &str, keys: &MacKeys) -> Secret {
    Secret::new(code(keys.current().1, purpose, id, issuer))
}

/// Whether `typed` are the digits of the code with this id, in constant time.
pub fn code_matches(purpose: Purpose, id: MailId, typed: &str, issuer: &str, keys: &MacKeys) -> bool {
    keys.all().any(|key| {
        let expected = Zeroizing::new(code(key, purpose, id, issuer));
        bool::from(expected.as_bytes().ct_eq(typed.trim().as_bytes()))
    })
}

/// 2^64 is no multiple of a million, which makes no code likelier than another by more than one part in 10^13.
fn code(key: &MacKey, purpose: Purpose, id: MailId, issuer: &str) -> String {
    let mac = key.mac(CODE_PURPOSE, &parts(purpose, &id, issuer));
    let number = mac
        .first_chunk::<8>()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{:06}", number % 1_000_000)
}

fn parts<'a>(purpose: Purpose, id: &'a MailId, issuer: &'a str) -> [&'a [u8]; 3] {
    [
        issuer.as_bytes(),
        purpose.as_str().as_bytes(),
        id.as_uuid().as_bytes(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://id.example";

    fn keys(byte: u8) -> MacKeys {
        MacKeys::new(1, vec![(1, MacKey::new(vec![byte; 32]))]).expect("a current key")
    }

    fn id(n: u128) -> MailId {
        MailId::from(Uuid::from_u128(n))
    }

    #[test]
    fn a_link_is_good_for_its_purpose_its_issuer_and_nothing_else() {
        let keys = keys(1);
        let token = write_link(Purpose::ResetPassword, id(7), ISSUER, &keys);
        let read =
            |purpose, token: &str, issuer: &str, keys: &MacKeys| read_link(purpose, token, issuer, keys);
        let token = token.expose();
        assert!(token.starts_with("signet_ml_"));
        assert_eq!(read(Purpose::ResetPassword, token, ISSUER, &keys), Some(id(7)));
        for purpose in Purpose::ALL {
            let expected = (purpose == Purpose::ResetPassword).then_some(id(7));
            assert_eq!(read(purpose, token, ISSUER, &keys), expected, "{purpose:?}");
        }
        assert_eq!(
            read(Purpose::ResetPassword, token, "https://other.example", &keys),
            None
        );
        assert_eq!(read(Purpose::ResetPassword, token, ISSUER, &self::keys(2)), None);
        for at in 0..token.len() {
            let mut wrong = token.to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert_eq!(read(Purpose::ResetPassword, &wrong, ISSUER, &keys), None, "{at}");
        }
    }

    #[test]
    fn a_code_has_six_digits_and_is_that_of_one_mail() {
        let keys = keys(1);
        let code = write_code(Purpose::SignInCode, id(1), ISSUER, &keys);
        assert_eq!(code.expose().len(), 6);
        assert!(code.expose().bytes().all(|byte| byte.is_ascii_digit()));
        assert!(code_matches(
            Purpose::SignInCode,
            id(1),
            code.expose(),
            ISSUER,
            &keys
        ));
        assert!(!code_matches(Purpose::SignInCode, id(1), "", ISSUER, &keys));
        let codes: std::collections::HashSet<String> = (0..1000)
            .map(|n| {
                write_code(Purpose::SignInCode, id(n), ISSUER, &keys)
                    .expose()
                    .to_owned()
            })
            .collect();
        assert!(codes.len() > 990, "{}", codes.len());
    }

    #[test]
    fn a_purpose_is_read_as_it_was_written() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("anything"), None);
    }
}
