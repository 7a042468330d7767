//! How a user who wants to come in stands to who is there: new, the same again, or in somebody's way.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::reason::Reason;
use crate::domain::ids::UserId;
use crate::domain::imported_user::ImportedUser;
use crate::storage::imports::PresentUser;

/// How a user stands to who is there.
pub(super) enum Standing {
    New,
    /// The same user, with the id that they have here.
    There(UserId),
    Refused(Reason),
}

/// Who is there, by what they can be found by.
pub(super) struct Present<'a> {
    by_id: HashMap<UserId, &'a PresentUser>,
    by_subject: HashMap<&'a str, &'a PresentUser>,
    by_email: HashMap<&'a str, &'a PresentUser>,
}

impl<'a> Present<'a> {
    pub(super) fn new(users: &'a [PresentUser]) -> Self {
        let by_subject = users
            .iter()
            .filter_map(|user| Some((user.subject.as_deref()?, user)));
        Self {
            by_id: users.iter().map(|user| (user.id, user)).collect(),
            by_subject: by_subject.collect(),
            by_email: users.iter().map(|user| (&*user.email_key, user)).collect(),
        }
    }

    /// A source that has no subjects knows its users by their addresses.
    pub(super) fn standing(&self, user: &ImportedUser, origin: &str) -> Standing {
        let is_ours = |present: &PresentUser| present.origin.as_deref() == Some(origin);
        let named = match user.subject_text() {
            Some(text) => self.by_subject.get(text),
            None => self.by_id.get(&user.id),
        };
        if let Some(named) = named {
            return if is_ours(named) {
                Standing::There(named.id)
            } else {
                Standing::Refused(Reason::SubjectTaken)
            };
        }
        match self.by_email.get(user.email.key().as_str()) {
            Some(present) if user.subject.is_none() && is_ours(present) => Standing::There(present.id),
            Some(_) => Standing::Refused(Reason::EmailTaken),
            None => Standing::New,
        }
    }
}

/// A short name of a text, for sets that must not grow with the texts.
pub(super) fn digest(kind: &str, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (kind, text).hash(&mut hasher);
    hasher.finish()
}
