//! What can go wrong with a token. The texts name functions and return codes of PKCS#11, labels and ids; the PIN
//! stands in none.

use std::path::PathBuf;
use std::time::Duration;

use cryptoki::error::{Error, RvError};

/// Why a token did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs11Error {
    /// The key is in a token, and this node was told of none.
    #[error("it rests in a PKCS#11 token, and keys.pkcs11_module names none")]
    NotConfigured,
    /// The module is no file, or no PKCS#11 module.
    #[error("the PKCS#11 module {} cannot be loaded: {reason}", path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The module does not know the token: it is unplugged, out of reach, or has another label.
    #[error("the PKCS#11 token {label:?} is not there; {}", present_text(present))]
    NoToken {
        /// The label that was looked for.
        label: String,
        /// The labels of the tokens that are there.
        present: Vec<String>,
    },
    /// Two tokens have the label.
    #[error("several PKCS#11 tokens have the label {0:?}")]
    SeveralTokens(String),
    /// The PIN is wrong. Tokens lock themselves after a few tries, so that one is all that is made.
    #[error("the PKCS#11 token refused the PIN; it is not tried again before the next start")]
    PinRefused,
    /// Others have tried wrong PINs: one more would lock the token, or has.
    #[error(
        "the PKCS#11 token is locked, or would be after one more wrong PIN: log in to it with its own tool"
    )]
    PinLocked,
    /// A function of the token failed.
    #[error("the PKCS#11 token failed: {function}: {code}")]
    Call {
        /// The function, as `Sign`.
        function: String,
        /// The return value, as `DeviceError`.
        code: String,
        /// Whether a new session may find it well again.
        lost: bool,
    },
    /// The token does not have the key.
    #[error("the PKCS#11 token has no key {0}")]
    NoKey(String),
    /// The URI fits several keys.
    #[error("the PKCS#11 token has several keys {0}")]
    SeveralKeys(String),
    /// The key belongs into another token than the configured one.
    #[error("the key {uri} is in another PKCS#11 token than {token:?}")]
    OtherToken {
        /// The key.
        uri: String,
        /// The label of the configured token.
        token: String,
    },
    /// The key is none that we sign with, or its public part cannot be read.
    #[error("the PKCS#11 token's key is none of its algorithm")]
    KeyType,
    /// The token made a private key that can be copied out of it.
    #[error("the PKCS#11 token made a private key that can be copied out of it; it was destroyed")]
    Extractable,
    /// The signature is not one of the stored public key: the token holds another key under that name.
    #[error("the key in the PKCS#11 token is not the one of the stored public key")]
    WrongKey,
    /// Too many requests wait for the token already.
    #[error("too many requests wait for the PKCS#11 token")]
    Busy,
    /// The token did not answer in time.
    #[error("the PKCS#11 token did not answer within {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The work panicked, or the thread that does it has ended.
    #[error("the thread of the PKCS#11 token gave no answer")]
    NoAnswer,
}

impl Pkcs11Error {
    /// Whether a new session may help: the old one is gone, the token was away, or another program made the key
    /// after ours began.
    pub(super) const fn is_lost(&self) -> bool {
        matches!(self, Self::Call { lost: true, .. } | Self::NoKey(_))
    }

    /// Whether it stops every key of the token, not just the one that was asked for.
    pub(super) const fn is_away(&self) -> bool {
        matches!(
            self,
            Self::Call { lost: true, .. }
                | Self::Module { .. }
                | Self::NoToken { .. }
                | Self::SeveralTokens(_)
                | Self::PinRefused
                | Self::PinLocked
        )
    }

    /// Whether trying again would do harm.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::PinRefused | Self::PinLocked)
    }
}

impl From<Error> for Pkcs11Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => Self::Call {
                function: format!("{function:?}"),
                code: format!("{code:?}"),
                lost: is_lost(code),
            },
            // What is left are values that the module should not have given.
            other => Self::Call {
                function: "answer".to_owned(),
                code: other.to_string(),
                lost: false,
            },
        }
    }
}

/// The return values of a session, a login or a token that is gone. Modules for the network report a broken
/// connection as a failure of the device or of the function.
const fn is_lost(code: RvError) -> bool {
    matches!(
        code,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::CryptokiNotInitialized
            | RvError::SlotIdInvalid
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::DeviceMemory
            | RvError::GeneralError
            | RvError::FunctionFailed
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::OperationActive
    )
}

fn present_text(present: &[String]) -> String {
    if present.is_empty() {
        "the module knows no token".to_owned()
    } else {
        format!("there are {present:?}")
    }
}
