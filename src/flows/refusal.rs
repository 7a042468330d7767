//! What every error of a protocol flow can say of itself. The wire's form of it is made in one place, above.

use chrono::TimeDelta;

use crate::oauth::error_code::ErrorCode;

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
