//! Whether a login would work, as far as that can be seen without a user: for `signet doctor`.

use chrono::{DateTime, Utc};

use super::Upstream;
use super::error::{Fault, Outage, UpstreamError};
use super::exchange::Answer;
use super::id_token;
use super::oauth::Server;
use super::place::Place;
use crate::domain::secret::Secret;

impl Upstream {
    /// Reads what the provider publishes, and tries to redeem a code that is none: whoever is known to the provider is told
    /// so, and whoever is not is told that (RFC 6749 §5.2).
    ///
    /// # Errors
    /// With what is wrong and what helps.
    #[tracing::instrument(name = "upstream.examine", skip_all, fields(provider.id = self.id()))]
    pub async fn examine(
        &self,
        redirect_uri: &str,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        let call = self.line.call();
        let errand = async {
            let published;
            let server = match self.place()? {
                Place::OpenId { issuer } => {
                    published = self.directory.read(&call, issuer, now).await?;
                    if !id_token::takes_any(published.metadata.id_token_signing_alg_values_supported()) {
                        return Err(UpstreamError::Misconfigured(
                            "it signs ID tokens with none of EdDSA, ES256, RS256 and PS256",
                        ));
                    }
                    if published.keys.keys().is_empty() {
                        return Err(UpstreamError::Misconfigured(
                            "it publishes no key that we can use",
                        ));
                    }
                    Server::described(&self.settings, &published.metadata)?
                }
                Place::Fixed { endpoints, .. } => Server::fixed(&self.settings, endpoints)?,
            };
            let answer = Answer {
                code: &Secret::new("signet-doctor"),
                code_verifier: VERIFIER,
                nonce: "",
                redirect_uri,
                iss: None,
                user: None,
                logged_in_since: None,
            };
            server.redeem(&call, &answer, client_secret, now).await
        };
        match self.line.run(&call, now, errand).await {
            Err(UpstreamError::Refused { error }) => judge(&error),
            Err(error) => Err(fault_of(&error)),
            Ok(_) => Err(Fault {
                message: "it gave tokens for a code that it never made".to_owned(),
                hint: "its token endpoint cannot be trusted: check its addresses",
            }),
        }
    }
}

/// As long as RFC 7636 §4.1 wants one.
const VERIFIER: &str = "signet-doctor-signet-doctor-signet-doctor-signet";

/// What it means that a code which is none was refused so.
fn judge(error: &str) -> Result<(), Fault> {
    let hint = match error {
        // The last is GitHub's word for it, the one before what some say of a code in a form that none of theirs has.
        "invalid_grant" | "invalid_request" | "bad_verification_code" => return Ok(()),
        "invalid_client" | "incorrect_client_credentials" | "unauthorized_client" => {
            "correct client_id and client_secret of its entry; it may have ended the secret"
        }
        "redirect_uri_mismatch" | "invalid_redirect_uri" => {
            "register the callback there: the issuer's URL and /api/auth/callback/ID"
        }
        _ => "its own documentation says what that means",
    };
    Err(Fault {
        message: format!("it refuses us with {error}"),
        hint,
    })
}

fn fault_of(error: &UpstreamError) -> Fault {
    let hint = match error {
        UpstreamError::Unavailable(Outage::TooSlow | Outage::Unreachable) => {
            "correct its addresses, or let this machine through to them; people can still sign in otherwise"
        }
        UpstreamError::Unavailable(_) => "try again later; people can still sign in otherwise",
        UpstreamError::IssuerMismatch => {
            "write the issuer exactly as its metadata do, at the issuer's /.well-known/openid-configuration"
        }
        _ => "correct its entry in [[providers]]",
    };
    Fault {
        message: error.to_string(),
        hint,
    }
}
