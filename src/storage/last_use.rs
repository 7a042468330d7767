//! Which families may have a token left: for statements that end many families, few of which are in use.

use chrono::{DateTime, Utc};

use crate::domain::status_list::{LONGEST_RETRY, LONGEST_TOKEN, shown_for};

/// Whether the family `g` may have given a token after the time of this parameter. A family that does not rotate
/// does not tell.
macro_rules! used_since_sql {
    ($floor:literal) => {
        concat!(
            "(NOT g.rotates OR GREATEST(g.created_at, g.advanced_at, g.prev_at) > ",
            $floor,
            ")"
        )
    };
}
pub(super) use used_since_sql;

/// What was last used before this time has no token left that a verifier takes, whatever the configuration was: for
/// statements that delete many families, few of which are in use.
pub(super) fn unused_since(now: DateTime<Utc>) -> DateTime<Utc> {
    now - shown_for(LONGEST_TOKEN) - LONGEST_RETRY
}
