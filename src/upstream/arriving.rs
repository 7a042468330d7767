//! From a code to somebody who has come: tokens, the ID token believed, and what is said of the person.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use url::Url;

use super::call::Call;
use super::directory::Published;
use super::error::{IdTokenFault, ProfileFault, UpstreamError};
use super::exchange::{Answer, Arrival};
use super::id_token::{self, Expected, Verified};
use super::oauth::Server;
use super::place::canonical;
use super::settings::{Endpoints, Preset};
use super::{Upstream, api, claims};
use crate::domain::secret::Secret;
use crate::domain::user::parse_name;

impl Upstream {
    pub(super) async fn redeem_openid(
        &self,
        call: &Call<'_>,
        published: &Arc<Published>,
        answer: &Answer<'_>,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        published.answered(answer.iss)?;
        let server = Server::described(&self.settings, &published.metadata)?;
        let tokens = server.redeem(call, answer, client_secret, now).await?;
        let id_token = tokens.id_token.as_ref().ok_or(IdTokenFault::Missing)?;
        let expected = Expected {
            client_id: &self.settings.client_id,
            nonce: Some(answer.nonce),
            access_token: Some(&tokens.access_token),
            azp_is_ours: true,
            // The others follow the standard where it suits them: most have no `auth_time`, or no way to ask for one.
            logged_in_since: answer
                .logged_in_since
                .filter(|_| self.settings.preset == Preset::Oidc),
        };
        let verified = self.believe(call, published, id_token, &expected, now).await?;
        if answer.iss.is_some_and(|iss| iss != verified.issuer) {
            return Err(UpstreamError::IssuerMismatch);
        }
        let more = if claims::are_incomplete(&verified.claims, &self.settings) {
            userinfo(call, published, &tokens.access_token).await?
        } else {
            None
        };
        // Whoever is somebody else tells nothing of this one (OpenID Connect Core 1.0 §5.3.2).
        let about =
            |claims: &Map<String, Value>| claims.get("sub").and_then(Value::as_str).map(str::to_owned);
        if more
            .as_ref()
            .is_some_and(|more| about(more).as_deref() != Some(&*verified.subject))
        {
            return Err(ProfileFault::OtherSubject.into());
        }
        let mut arrival = self.arrival(verified)?;
        if let Some(more) = more {
            arrival.person.complete(claims::person(more, &self.settings)?);
        }
        if arrival.person.name.is_none() {
            arrival.person.name = answer.user.and_then(name_by_apple);
        }
        arrival.tokens = Some(tokens);
        Ok(arrival)
    }

    pub(super) async fn redeem_fixed(
        &self,
        call: &Call<'_>,
        issuer: &str,
        endpoints: &Endpoints,
        answer: &Answer<'_>,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        is_of_the_same_site(answer.iss, &endpoints.authorization)?;
        let server = Server::fixed(&self.settings, endpoints)?;
        let tokens = server.redeem(call, answer, client_secret, now).await?;
        let claims = api::claims(call, self.settings.preset, endpoints, &tokens.access_token).await?;
        Ok(Arrival {
            issuer: issuer.to_owned(),
            subject: claims::subject(&claims, &self.settings)?,
            person: claims::person(claims, &self.settings)?,
            amr: Vec::new(),
            tokens: Some(tokens),
        })
    }

    /// Believes an ID token by the keys that are known, or by those that are published by now.
    pub(super) async fn believe(
        &self,
        call: &Call<'_>,
        published: &Arc<Published>,
        token: &Secret,
        expected: &Expected<'_>,
        now: DateTime<Utc>,
    ) -> Result<Verified, UpstreamError> {
        match id_token::verify(token, published, expected, now) {
            Err(IdTokenFault::Signature) => {
                let newer = self.directory.read_keys_again(call, published, now).await?;
                let published = newer.ok_or(IdTokenFault::Signature)?;
                Ok(id_token::verify(token, &published, expected, now)?)
            }
            outcome => Ok(outcome?),
        }
    }

    pub(super) fn arrival(&self, verified: Verified) -> Result<Arrival, UpstreamError> {
        let issuer = Url::parse(&verified.issuer).map_err(|_| IdTokenFault::Issuer)?;
        // Microsoft's `sub` is another for each client, so that a new one would lose its users; `oid` stays.
        let subject = if self.settings.preset == Preset::Microsoft {
            let oid = verified.claims.get("oid").and_then(Value::as_str);
            oid.filter(|oid| !oid.is_empty())
                .ok_or(IdTokenFault::Subject)?
                .to_owned()
        } else {
            verified.subject
        };
        Ok(Arrival {
            issuer: canonical(&issuer),
            subject,
            person: claims::person(verified.claims, &self.settings)?,
            amr: verified.amr,
            tokens: None,
        })
    }
}

/// What the userinfo endpoint says, if there is one (OpenID Connect Core 1.0 §5.3).
pub(super) async fn userinfo(
    call: &Call<'_>,
    published: &Published,
    access_token: &Secret,
) -> Result<Option<Map<String, Value>>, UpstreamError> {
    match published.metadata.userinfo_endpoint() {
        Some(endpoint) => call.get(endpoint.url(), Some(access_token)).await.map(Some),
        None => Ok(None),
    }
}

/// Those that publish nothing have no name to compare `iss` with (RFC 9207 §2.4), but stand somewhere.
fn is_of_the_same_site(iss: Option<&str>, authorization: &Url) -> Result<(), UpstreamError> {
    let same = |iss| Url::parse(iss).is_ok_and(|iss| iss.origin() == authorization.origin());
    if iss.is_none_or(same) {
        Ok(())
    } else {
        Err(UpstreamError::IssuerMismatch)
    }
}

/// The name that Apple lets the browser bring, which no token has. Nothing else of it is read: nobody signed it.
fn name_by_apple(user: &str) -> Option<String> {
    let user: Value = serde_json::from_str(user).ok()?;
    let part = |name: &str| {
        user["name"][name]
            .as_str()
            .map(str::trim)
            .filter(|part| !part.is_empty())
    };
    let parts: Vec<&str> = [part("firstName"), part("lastName")]
        .into_iter()
        .flatten()
        .collect();
    parse_name(&parts.join(" "))
}
