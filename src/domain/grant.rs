//! What one authorization code gave a client: everything that issuing its tokens needs, the same at the
//! exchange of the code and at every refresh.

use chrono::{DateTime, Utc};

use super::authorization::RequestedClaims;
use super::ids::{FamilyId, SessionId};
use super::status_list::StatusIndex;
use super::user::User;
use crate::oauth::scope::ScopeSet;

/// What a user let a client have, as the database had it when it let the grant be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its token family, and the `gid` claim.
    pub family: FamilyId,
    /// Whose it is, as they are now.
    pub user: User,
    /// The session that it was made in: the `sid` claim.
    pub session: SessionId,
    /// What was granted.
    pub scopes: ScopeSet,
    /// The APIs that it was granted for (RFC 8707).
    pub resources: Vec<String>,
    /// The `claims` parameter of the request.
    pub claims: Option<RequestedClaims>,
    /// The `nonce` of the request. `None` at a refresh: it belongs to the first ID token alone.
    pub nonce: Option<String>,
    /// When the user proved who they are, for this grant.
    pub auth_time: DateTime<Utc>,
    /// How well (`acr`).
    pub acr: String,
    /// By what means (RFC 8176).
    pub amr: Vec<String>,
    /// Whether it survives the end of its session.
    pub offline: bool,
    /// The place of its access tokens in the status lists. `None` while it was made by a version without lists.
    pub status_index: Option<StatusIndex>,
}
