//! All that is stored about a user, as one JSON document (GDPR articles 15 and 20). Times are RFC 3339 in UTC; no
//! secret is in it, since none rests in the clear.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::domain::user::User;
use crate::flows::provider::Provider;
use crate::storage::StorageError;
use crate::storage::exports::{self, Exported};

/// The document.
///
/// # Errors
/// When the database does not answer.
pub async fn export(provider: &Provider, user: &User, now: DateTime<Utc>) -> Result<Value, StorageError> {
    let Exported {
        account,
        sessions,
        grants,
        consents,
        devices,
        identities,
        passkeys,
        links,
        mails,
        events,
    } = exports::find(&provider.db, user.id).await?;
    Ok(json!({
        "issuer": provider.settings.issuer,
        "exported_at": now.to_rfc3339_opts(SecondsFormat::Millis, true),
        "user": {
            "id": user.subject(),
            "email": user.email,
            "email_verified": user.email_verified,
            "name": user.name,
            "profile": user.profile.as_map(),
            "created_at": time(user.created_at),
            "updated_at": time(user.updated_at),
            "last_login_at": user.last_login_at.map(time),
            "account": account,
        },
        "sessions": sessions,
        "grants": grants,
        "consents": consents,
        "devices": devices,
        "identities": identities,
        "passkeys": passkeys,
        "pending_links": links,
        "pending_mails": mails,
        "events": events,
    }))
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
