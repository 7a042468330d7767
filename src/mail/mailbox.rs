//! The development mailbox: mail that would have been sent, kept in memory to be looked at.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::{Mail, Mailer, SendError};
use crate::clock::Clock;
use crate::domain::ids::MailId;

/// The most messages that are kept; the oldest goes first.
const CAPACITY: usize = 200;

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MailId,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// Whom to.
    pub to: String,
    /// What about.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as HTML.
    pub html: String,
}

/// The mail of one running `signet dev`.
pub struct Mailbox {
    clock: Arc<dyn Clock>,
    messages: Mutex<VecDeque<Message>>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Mailbox {
    /// An empty one, whose mail comes at the time that `clock` says.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            messages: Mutex::default(),
        }
    }

    /// Keeps a message. One that is sent again replaces itself.
    pub fn deliver(&self, message: Message) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.retain(|kept| kept.id != message.id);
        if messages.len() == CAPACITY {
            messages.pop_front();
        }
        messages.push_back(message);
    }

    /// All messages, newest first.
    pub fn messages(&self) -> Vec<Message> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().rev().cloned().collect()
    }

    /// One message.
    pub fn message(&self, id: MailId) -> Option<Message> {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        messages.iter().find(|message| message.id == id).cloned()
    }
}

impl Mailer for Mailbox {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        Box::pin(async move {
            self.deliver(Message {
                id: mail.id,
                at: self.clock.now(),
                to: mail.to.clone(),
                subject: mail.subject.clone(),
                text: mail.text.clone(),
                html: mail.html.clone(),
            });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn message(number: usize) -> Message {
        Message {
            id: MailId::from(uuid::Uuid::from_u128(number as u128)),
            at: DateTime::UNIX_EPOCH,
            to: "ada@example.org".to_owned(),
            subject: number.to_string(),
            text: String::new(),
            html: String::new(),
        }
    }

    #[test]
    fn the_newest_stands_first_and_the_oldest_goes() {
        let mailbox = Mailbox::new(Arc::new(SystemClock));
        for number in 0..=CAPACITY {
            mailbox.deliver(message(number));
        }
        let messages = mailbox.messages();
        assert_eq!(messages.len(), CAPACITY);
        assert_eq!(messages.first().map(|message| &*message.subject), Some("200"));
        assert_eq!(messages.last().map(|message| &*message.subject), Some("1"));
        assert_eq!(mailbox.message(message(7).id), Some(message(7)));
        assert_eq!(mailbox.message(message(0).id), None);
    }

    #[test]
    fn what_is_sent_again_is_there_once() {
        let mailbox = Mailbox::new(Arc::new(SystemClock));
        for number in [1, 2, 1] {
            mailbox.deliver(message(number));
        }
        let subjects: Vec<String> = mailbox
            .messages()
            .into_iter()
            .map(|message| message.subject)
            .collect();
        assert_eq!(subjects, ["1", "2"]);
    }
}
