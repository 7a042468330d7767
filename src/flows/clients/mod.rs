//! Registering clients: by options or by RFC 7591 metadata, changing, giving a new secret, deleting.
//!
//! 1. The registration is read ([`metadata`]) or put together by the caller.
//! 2. It is checked ([`check`]), whatever it came through.
//! 3. What is missing (id, secret) is made; of the secret only a MAC is stored.

pub mod check;
pub mod metadata;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::signing_choice::can_be_chosen;
use crate::domain::client::{Client, ClientMetadata};
use crate::domain::ids::ClientId;
use crate::domain::mac::MacKeys;
use crate::domain::secret::{PlainToken, Secret, TokenKind};
use crate::domain::signing_choice::NotChoosable;
use crate::oauth::error_code::ErrorCode;
use crate::random::Random;
use crate::storage::clients::{self, Insertion};
use crate::storage::{Db, Execute, StorageError};

/// What someone wants registered.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The id to keep; `None`: one is made.
    pub client_id: Option<String>,
    /// The secret to keep; `None`: one is made if the method needs it.
    pub secret: Option<Secret>,
    /// Everything else.
    pub metadata: ClientMetadata,
}

/// A client with its secret in the clear, which nobody sees again.
#[derive(Debug)]
pub struct Registered {
    /// The client as stored.
    pub client: Client,
    /// Its secret, if its method needs one and it was made or given just now.
    pub secret: Option<Secret>,
}

/// Why a registration is refused (RFC 7591 §3.2.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidRegistration {
    /// `invalid_redirect_uri` or `invalid_client_metadata`.
    pub code: ErrorCode,
    /// What is wrong, for whoever registers.
    pub reason: String,
}

impl InvalidRegistration {
    fn new(code: ErrorCode, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    fn metadata(reason: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidClientMetadata, reason)
    }

    fn redirect_uri(reason: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRedirectUri, reason)
    }
}

/// Why clients were not changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// The registration breaks a rule.
    #[error("{0}")]
    Invalid(#[from] InvalidRegistration),
    /// The id is taken.
    #[error("client {0} exists already")]
    Exists(ClientId),
    /// The id is that of a resource.
    #[error("{0} names a resource; a client_id must not")]
    NamesResource(ClientId),
    /// No key signs with what its ID tokens shall be signed with.
    #[error(transparent)]
    Algorithm(#[from] NotChoosable),
    /// There is no such client.
    #[error("there is no client {0}")]
    Unknown(ClientId),
    /// The client proves itself without a shared secret.
    #[error("client {0} has no secret")]
    NoSecret(ClientId),
    /// Somebody else changed it at the same moment.
    #[error("client {0} was changed by someone else at the same moment")]
    Changed(ClientId),
    /// The database did not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What changing clients takes.
#[derive(Debug)]
pub struct Clients<'a> {
    /// Where they rest.
    pub db: &'a Db,
    /// The keys of `MacPurpose::ClientSecret`.
    pub secret_keys: &'a MacKeys,
    /// The issuer, which no client may be called.
    pub issuer: &'a str,
    /// Makes ids and secrets.
    pub random: &'a dyn Random,
}

impl Clients<'_> {
    /// Registers all of `registrations`, or none.
    ///
    /// # Errors
    /// With the first that cannot be.
    pub async fn create(
        &self,
        registrations: Vec<Registration>,
        now: DateTime<Utc>,
    ) -> Result<Vec<Registered>, ClientsError> {
        let mut all = Vec::with_capacity(registrations.len());
        for registration in registrations {
            check::registration(&registration, self.issuer)?;
            all.push(self.complete(registration, now)?);
        }
        let asked = all
            .iter()
            .map(|registered| registered.client.metadata.id_token_signed_response_alg)
            .collect();
        can_be_chosen::<ClientsError>(self.db, asked, now).await?;
        let tx = self.db.begin().await?;
        for registered in &all {
            store(&tx, &registered.client).await?;
        }
        tx.commit().await?;
        Ok(all)
    }

    /// Changes what a client registered and whether it is disabled. `change` gets the client as it is. A secret
    /// is made if the method needs one for the first time, and forgotten if it no longer does.
    ///
    /// # Errors
    /// When there is no such client, the result breaks a rule, or someone else was faster.
    pub async fn update(
        &self,
        id: &ClientId,
        now: DateTime<Utc>,
        change: impl FnOnce(&mut Client) -> Result<(), InvalidRegistration>,
    ) -> Result<Registered, ClientsError> {
        let mut client = self.find(id).await?;
        let seen = client.updated_at;
        let algorithm = client.metadata.id_token_signed_response_alg;
        change(&mut client)?;
        check::metadata(&client.metadata)?;
        // A choice that was made once must not stand in the way of other changes.
        let asked = client.metadata.id_token_signed_response_alg;
        if asked != algorithm {
            can_be_chosen::<ClientsError>(self.db, [asked].into_iter().collect(), now).await?;
        }
        let mut secret = None;
        if !client.metadata.token_endpoint_auth_method.needs_secret() {
            client.secret = None;
        } else if client.secret.is_none() {
            secret = Some(self.new_secret());
            client.secret = secret.as_ref().map(|secret| self.mac(id, secret));
        }
        self.save(client, seen, now, secret).await
    }

    /// Gives a client a new secret; the old one is dead at once.
    ///
    /// # Errors
    /// When there is no such client, or it has no secret.
    pub async fn rotate_secret(&self, id: &ClientId, now: DateTime<Utc>) -> Result<Registered, ClientsError> {
        let mut client = self.find(id).await?;
        if !client.metadata.token_endpoint_auth_method.needs_secret() {
            return Err(ClientsError::NoSecret(id.clone()));
        }
        let seen = client.updated_at;
        let secret = self.new_secret();
        client.secret = Some(self.mac(id, &secret));
        self.save(client, seen, now, Some(secret)).await
    }

    async fn find(&self, id: &ClientId) -> Result<Client, ClientsError> {
        let found = clients::find(self.db, id).await?;
        found.ok_or_else(|| ClientsError::Unknown(id.clone()))
    }

    async fn save(
        &self,
        mut client: Client,
        seen: DateTime<Utc>,
        now: DateTime<Utc>,
        secret: Option<Secret>,
    ) -> Result<Registered, ClientsError> {
        // The column tells versions apart, so it moves even when the clock does not.
        client.updated_at = now.max(seen + chrono::TimeDelta::microseconds(1));
        if clients::update(self.db, &client, seen).await? {
            Ok(Registered { client, secret })
        } else {
            Err(ClientsError::Changed(client.id))
        }
    }

    fn complete(
        &self,
        registration: Registration,
        now: DateTime<Utc>,
    ) -> Result<Registered, InvalidRegistration> {
        let id = match registration.client_id {
            Some(id) => id,
            None => self.new_id(),
        };
        let id = ClientId::try_from(id).map_err(|error| InvalidRegistration::metadata(error.to_string()))?;
        let mut metadata = registration.metadata;
        if metadata.client_name.is_empty() {
            metadata.client_name = id.to_string();
        }
        let secret = metadata
            .token_endpoint_auth_method
            .needs_secret()
            .then(|| registration.secret.unwrap_or_else(|| self.new_secret()));
        let client = Client {
            secret: secret.as_ref().map(|secret| self.mac(&id, secret)),
            id,
            metadata,
            created_at: now,
            updated_at: now,
            disabled_at: None,
        };
        Ok(Registered { client, secret })
    }

    /// The prefix keeps it from looking like an option of a command, or like a user's id.
    fn new_id(&self) -> String {
        let mut bytes = [0; 15];
        self.random.fill(&mut bytes);
        format!("client_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    fn new_secret(&self) -> Secret {
        Secret::new(PlainToken::generate(TokenKind::ClientSecret, self.random).expose())
    }

    fn mac(&self, id: &ClientId, secret: &Secret) -> crate::domain::client::ClientSecretMac {
        Client::mac_secret(id, secret, self.secret_keys)
    }
}

/// How many rows of a kind one statement deletes; each stays far below the statement timeout.
const BATCH: i64 = 5_000;

/// Deletes a client and everything that users let it have. Cut off halfway it leaves a disabled client that
/// can be deleted again.
///
/// # Errors
/// When there is no such client.
pub async fn delete(db: &Db, id: &ClientId, now: DateTime<Utc>) -> Result<(), ClientsError> {
    if !clients::disable(db, id, now).await? {
        return Err(ClientsError::Unknown(id.clone()));
    }
    while clients::delete_grants(db, id, BATCH, now).await? > 0 {}
    clients::delete(db, id, now).await?;
    Ok(())
}

async fn store(db: &impl Execute, client: &Client) -> Result<(), ClientsError> {
    match clients::insert(db, client).await? {
        Insertion::Inserted => Ok(()),
        Insertion::Exists => Err(ClientsError::Exists(client.id.clone())),
        Insertion::NamesResource => Err(ClientsError::NamesResource(client.id.clone())),
    }
}
