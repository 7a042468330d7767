//! The development mailbox: mail that would have been sent, kept in memory to be looked at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// The most messages that are kept; the oldest goes first.
const CAPACITY: usize = 200;

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Whom to.
    pub to: String,
    /// What about.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
}

/// The mail of one running `signet dev`.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<VecDeque<Message>>);

impl Mailbox {
    /// Keeps a message.
    pub fn deliver(&self, message: Message) {
        let mut messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() == CAPACITY {
            messages.pop_front();
        }
        messages.push_back(message);
    }

    /// All messages, newest first.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().rev().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stands_first_and_the_oldest_goes() {
        let mailbox = Mailbox::default();
        for number in 0..=CAPACITY {
            mailbox.deliver(Message {
                at: DateTime::UNIX_EPOCH,
                to: "ada@example.org".to_owned(),
                subject: number.to_string(),
                text: String::new(),
            });
        }
        let messages = mailbox.messages();
        assert_eq!(messages.len(), CAPACITY);
        assert_eq!(messages.first().map(|message| &*message.subject), Some("200"));
        assert_eq!(messages.last().map(|message| &*message.subject), Some("1"));
    }
}
