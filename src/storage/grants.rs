//! What the statements about codes, families and access tokens share: the columns that a [`Grant`] is read
//! from, and when a session stands behind a family. Has no statement of its own.

use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::{StorageError, users};
use crate::domain::authorization::RequestedClaims;
use crate::domain::grant::Grant;
use crate::domain::ids::{FamilyId, SessionId};
use crate::domain::status_list::StatusIndex;
use crate::oauth::scope::ScopeSet;

/// The columns of [`Grant`] that codes and families both have, over `g` (either) and `u` (users). A statement
/// adds `family_id`, `nonce`, `offline` and `status_index`.
macro_rules! grant_columns {
    () => {
        concat!(
            "g.session_id, g.scopes, g.resources, g.claims, g.auth_time, g.acr, g.amr, ",
            $crate::storage::users::user_columns!()
        )
    };
}
pub(super) use grant_columns;

/// Whether the session `s` lets the family `g` live. A family that is not offline ends with its session; an
/// offline one survives that, but not a theft in the same session: all that the session gave is suspect then.
macro_rules! session_stands_sql {
    () => {
        "(s.ended_at IS NULL OR g.offline AND s.ended_reason IS DISTINCT FROM 'theft')"
    };
}
pub(super) use session_stands_sql;

/// Whether the access tokens of the family `g` are still good, over its session `s`, user `u` and client `c`, all of
/// which are there: what introspection and the status lists ask.
macro_rules! grant_stands_sql {
    () => {
        concat!(
            "(g.ended_at IS NULL AND ",
            $crate::storage::grants::session_stands_sql!(),
            " AND ",
            $crate::domain::eligibility::may_issue_sql!(),
            ")"
        )
    };
}
pub(super) use grant_stands_sql;

impl TryFrom<&Row> for Grant {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let family = FamilyId::from(row.try_get::<_, uuid::Uuid>("family_id")?);
        let scopes: Vec<String> = row.try_get("scopes")?;
        Ok(Self {
            family,
            user: users::read(row)?,
            session: SessionId::from(row.try_get::<_, uuid::Uuid>("session_id")?),
            scopes: ScopeSet::from_tokens(scopes).map_err(|_| inconsistent("scopes", family))?,
            resources: row.try_get("resources")?,
            claims: requested_claims(row, family)?,
            nonce: row.try_get("nonce")?,
            auth_time: row.try_get("auth_time")?,
            acr: row.try_get("acr")?,
            amr: row.try_get("amr")?,
            offline: row.try_get("offline")?,
            status_index: row
                .try_get::<_, Option<i64>>("status_index")?
                .and_then(StatusIndex::new),
        })
    }
}

/// The `claims` column of a family.
pub(super) fn requested_claims(row: &Row, family: FamilyId) -> Result<Option<RequestedClaims>, StorageError> {
    let claims: Option<Json<RequestedClaims>> = row
        .try_get("claims")
        .map_err(|_| inconsistent("claims", family))?;
    Ok(claims.map(|Json(claims)| claims))
}

/// A family's column holds what no version of this program writes.
pub(super) fn inconsistent(column: &'static str, family: FamilyId) -> StorageError {
    StorageError::Inconsistent {
        table: "token_families",
        column,
        id: family.to_string(),
    }
}
