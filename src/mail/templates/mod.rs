//! What letters look like: a text and an HTML template a letter and language, of which an operator may replace any.
//! Knows neither who is written to nor how a mail leaves.

mod context;

pub use context::LetterContext;
