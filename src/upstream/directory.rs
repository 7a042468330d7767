//! What an OpenID provider publishes of itself, its metadata and keys (OpenID Connect Discovery 1.0 §4), remembered for an
//! hour.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
    CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{AdditionalProviderMetadata, EndSessionUrl, ProviderMetadata};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use super::call::Call;
use super::error::UpstreamError;
use super::issuer::Issuer;
use super::place::below;

/// For how long it is believed.
const TTL: TimeDelta = TimeDelta::hours(1);

/// How often keys may be read again because a token has none of those that we know: such a token costs nothing.
const PAUSE: TimeDelta = TimeDelta::seconds(10);

/// OpenID Connect Discovery 1.0 §4.
const SUFFIX: &str = ".well-known/openid-configuration";

/// What the standards after Discovery add.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Extra {
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1.
    pub end_session_endpoint: Option<EndSessionUrl>,
    /// RFC 9207 §3.
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

pub(super) type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// What a provider published.
#[derive(Debug)]
pub(super) struct Published {
    pub issuer: Issuer,
    pub metadata: Metadata,
    pub keys: CoreJsonWebKeySet,
    read_at: DateTime<Utc>,
}

impl Published {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        (TimeDelta::zero()..TTL).contains(&(now - self.read_at))
    }

    /// Whether an authorization response can be this provider's (RFC 9207 §2.4).
    pub(super) fn answered(&self, iss: Option<&str>) -> Result<(), UpstreamError> {
        let told = self
            .metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported;
        match iss {
            Some(iss) if self.issuer.may_be(iss) => Ok(()),
            None if !told => Ok(()),
            _ => Err(UpstreamError::IssuerMismatch),
        }
    }
}

/// Remembers what one provider published.
#[derive(Debug, Default)]
pub(super) struct Directory {
    published: ArcSwapOption<Published>,
    /// Held by whoever reads, so that one reads for all. Inside is when keys were last read again.
    reading: Mutex<Option<DateTime<Utc>>>,
}

impl Directory {
    /// What is known already and still believed.
    pub(super) fn remembered(&self, now: DateTime<Utc>) -> Option<Arc<Published>> {
        self.published
            .load_full()
            .filter(|published| published.is_fresh(now))
    }

    /// What the provider publishes.
    pub(super) async fn read(
        &self,
        call: &Call<'_>,
        issuer: &Url,
        now: DateTime<Utc>,
    ) -> Result<Arc<Published>, UpstreamError> {
        if let Some(published) = self.remembered(now) {
            return Ok(published);
        }
        let _reading = self.reading.lock().await;
        if let Some(published) = self.remembered(now) {
            return Ok(published);
        }
        let (issuer, metadata) = metadata(call, issuer).await?;
        let keys = keys(call, &metadata).await?;
        Ok(self.remember(Published {
            issuer,
            metadata,
            keys,
            read_at: now,
        }))
    }

    /// What the provider publishes, its keys read after `old`, in which one was missing. `None` if that was done a
    /// moment ago.
    pub(super) async fn read_keys_again(
        &self,
        call: &Call<'_>,
        old: &Arc<Published>,
        now: DateTime<Utc>,
    ) -> Result<Option<Arc<Published>>, UpstreamError> {
        let mut last = self.reading.lock().await;
        if let Some(current) = self.remembered(now).filter(|current| !Arc::ptr_eq(current, old)) {
            return Ok(Some(current));
        }
        if last.is_some_and(|last| (TimeDelta::zero()..PAUSE).contains(&(now - last))) {
            return Ok(None);
        }
        *last = Some(now);
        let keys = keys(call, &old.metadata).await?;
        Ok(Some(self.remember(Published {
            issuer: old.issuer.clone(),
            metadata: old.metadata.clone(),
            keys,
            read_at: old.read_at,
        })))
    }

    fn remember(&self, published: Published) -> Arc<Published> {
        let published = Arc::new(published);
        self.published.store(Some(Arc::clone(&published)));
        published
    }
}

async fn metadata(call: &Call<'_>, issuer: &Url) -> Result<(Issuer, Metadata), UpstreamError> {
    let metadata: Metadata = match call.get(&below(issuer, SUFFIX), None).await {
        Err(UpstreamError::Refused { .. }) => {
            return Err(UpstreamError::Misconfigured(
                "its issuer has no metadata at /.well-known/openid-configuration",
            ));
        }
        answer => answer?,
    };
    let issuer = Issuer::of_metadata(issuer, metadata.issuer()).ok_or(UpstreamError::IssuerMismatch)?;
    Ok((issuer, metadata))
}

async fn keys(call: &Call<'_>, metadata: &Metadata) -> Result<CoreJsonWebKeySet, UpstreamError> {
    match call.get(metadata.jwks_uri().url(), None).await {
        Err(UpstreamError::Refused { .. }) => Err(UpstreamError::Misconfigured("its jwks_uri has no keys")),
        answer => answer,
    }
}
