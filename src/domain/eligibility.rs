//! Who may receive tokens now. Every path that issues asks this one question: [`may_issue`] where the rows are
//! at hand, and its twin in SQL, the fragment that every spending statement includes.

use chrono::{DateTime, Utc};

/// Whether a grant made under `grant_epoch` may still give tokens: the user is enabled and has not moved the
/// credential epoch since, and the client is enabled.
pub fn may_issue(
    user_epoch: i64,
    user_disabled_at: Option<DateTime<Utc>>,
    client_disabled_at: Option<DateTime<Utc>>,
    grant_epoch: i64,
) -> bool {
    user_epoch == grant_epoch && user_disabled_at.is_none() && client_disabled_at.is_none()
}

/// [`may_issue`] as SQL, over `g` (what carries the epoch: session, code or family), `u` (users), `c` (clients).
#[macro_export]
macro_rules! may_issue_sql {
    () => {
        "(u.epoch = g.epoch AND u.disabled_at IS NULL AND c.disabled_at IS NULL)"
    };
}
pub use may_issue_sql;
