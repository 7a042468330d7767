//! What every error of a protocol flow can say of itself. The wire's form of it is made in one place, above.

use chrono::TimeDelta;

use super::provider::KeysUnread;
use super::registry::RegistryError;
use super::status_indexes::NoStatusIndex;
use crate::oauth::error_code::ErrorCode;
use crate::storage::StorageError;

/// An error that a client is told about. Its `Display` is for the log and stays here.
pub trait Refusal: std::error::Error {
    /// The registered code.
    fn code(&self) -> ErrorCode;

    /// A sentence for the client's developer, out of a short fixed list: never what a peer sent, never a cause.
    fn error_description(&self) -> &'static str;

    /// When it is worth asking again, for [`ErrorCode::TemporarilyUnavailable`].
    fn retry_after(&self) -> TimeDelta {
        TimeDelta::seconds(1)
    }
}

/// What is said when the database, or what is read from it, is not to be had.
pub const UNAVAILABLE: &str = "the server cannot answer at present; try again";

/// What is said when something broke here.
pub const BROKEN: &str = "something went wrong on the server";

impl Refusal for StorageError {
    fn code(&self) -> ErrorCode {
        if self.is_unavailable() {
            ErrorCode::TemporarilyUnavailable
        } else {
            ErrorCode::ServerError
        }
    }

    fn error_description(&self) -> &'static str {
        if self.is_unavailable() {
            UNAVAILABLE
        } else {
            BROKEN
        }
    }
}

impl Refusal for RegistryError {
    fn code(&self) -> ErrorCode {
        ErrorCode::TemporarilyUnavailable
    }

    fn error_description(&self) -> &'static str {
        UNAVAILABLE
    }
}

impl Refusal for NoStatusIndex {
    fn code(&self) -> ErrorCode {
        ErrorCode::TemporarilyUnavailable
    }

    fn error_description(&self) -> &'static str {
        UNAVAILABLE
    }
}

impl Refusal for KeysUnread {
    fn code(&self) -> ErrorCode {
        ErrorCode::TemporarilyUnavailable
    }

    fn error_description(&self) -> &'static str {
        UNAVAILABLE
    }
}
