//! The options that describe a client: all of them make one, some change one.

use std::path::PathBuf;

use super::{CommandError, scopes};
use crate::domain::client::{ApplicationType, Client, ClientMetadata};
use crate::domain::ids::ClientId;
use crate::flows::clients::{InvalidRegistration, Registration, metadata};
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::error_code::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// `--type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ClientType {
    /// Runs where it can keep no secret: a browser, a phone.
    Public,
    /// Runs on a server, and proves who it is with a secret.
    Confidential,
}

/// `--pkce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Pkce {
    /// Requests without PKCE are refused.
    Required,
    /// For older confidential OpenID clients.
    Optional,
}

impl clap::ValueEnum for SigningAlgorithm {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

impl clap::ValueEnum for GrantType {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.as_str()))
    }
}

/// What a client may be called, do and be sent to.
#[derive(Debug, clap::Args)]
#[group(multiple = true)]
pub struct Details {
    /// Where authorization responses may go.
    #[arg(long, num_args = 1.., value_name = "URI")]
    redirect_uri: Option<Vec<String>>,
    /// Where a logout may lead.
    #[arg(long, num_args = 1.., value_name = "URI")]
    post_logout_redirect_uri: Option<Vec<String>>,
    /// Where it is told that a session of one of its users ended (back-channel logout); empty: nowhere.
    #[arg(long, value_name = "URI")]
    backchannel_logout_uri: Option<String>,
    /// A grant that it may use.
    #[arg(long, num_args = 1.., value_enum)]
    grant_type: Option<Vec<GrantType>>,
    /// A scope that it may ask for.
    #[arg(long, num_args = 1..)]
    scope: Option<Vec<String>>,
    /// An API that it may ask for; without this any that is registered.
    #[arg(long, num_args = 1.., value_name = "IDENTIFIER")]
    resource: Option<Vec<String>>,
    /// One of the operator's own: no consent page.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    first_party: Option<bool>,
    /// Whether a request without PKCE is refused; it is, unless this says `optional`.
    #[arg(long, value_enum)]
    pkce: Option<Pkce>,
    /// What its ID tokens are signed with; without this EdDSA.
    #[arg(long, value_enum, value_name = "ALG")]
    id_token_signed_response_alg: Option<SigningAlgorithm>,
}

impl Details {
    fn apply_to(self, metadata: &mut ClientMetadata) -> Result<(), CommandError> {
        fn replace<T>(old: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *old = new;
            }
        }
        replace(&mut metadata.redirect_uris, self.redirect_uri);
        replace(
            &mut metadata.post_logout_redirect_uris,
            self.post_logout_redirect_uri,
        );
        if let Some(uri) = self.backchannel_logout_uri {
            metadata.backchannel_logout_uri = (!uri.is_empty()).then_some(uri);
        }
        replace(
            &mut metadata.grant_types,
            self.grant_type.map(|grants| grants.into_iter().collect()),
        );
        replace(
            &mut metadata.scope,
            self.scope.as_deref().map(scopes).transpose()?,
        );
        if self.resource.is_some() {
            metadata.resources = self.resource;
        }
        replace(&mut metadata.first_party, self.first_party);
        replace(
            &mut metadata.require_pkce,
            self.pkce.map(|pkce| pkce == Pkce::Required),
        );
        replace(
            &mut metadata.id_token_signed_response_alg,
            self.id_token_signed_response_alg,
        );
        Ok(())
    }
}

/// `clients create`.
#[derive(Debug, clap::Args)]
pub struct CreateOptions {
    /// Metadata of RFC 7591 §2 in JSON, one object or an array; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "client_type", "Details"])]
    pub metadata: Option<PathBuf>,
    /// What people call it.
    #[arg(long, required_unless_present = "metadata")]
    name: Option<String>,
    /// Whether it can keep a secret.
    #[arg(
        long = "type",
        id = "client_type",
        value_enum,
        required_unless_present = "metadata"
    )]
    client_type: Option<ClientType>,
    #[command(flatten)]
    details: Details,
}

impl CreateOptions {
    /// The registration that the options describe.
    ///
    /// # Errors
    /// When a scope is none.
    pub fn registration(self) -> Result<Registration, CommandError> {
        let mut described = ClientMetadata {
            client_name: self.name.unwrap_or_default(),
            application_type: ApplicationType::Web,
            token_endpoint_auth_method: match self.client_type {
                Some(ClientType::Public) => AuthMethod::None,
                Some(ClientType::Confidential) | None => AuthMethod::ClientSecretBasic,
            },
            grant_types: [GrantType::AuthorizationCode, GrantType::RefreshToken].into(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            backchannel_logout_uri: None,
            backchannel_logout_session_required: false,
            scope: ScopeSet::default(),
            resources: None,
            first_party: false,
            require_pkce: true,
            refresh_token_rotation: true,
            id_token_signed_response_alg: SigningAlgorithm::EdDsa,
            jwks: None,
            default_max_age: None,
            client_uri: None,
            policy_uri: None,
            tos_uri: None,
        };
        let names_scopes = self.details.scope.is_some();
        self.details.apply_to(&mut described)?;
        if !names_scopes {
            described.scope = metadata::default_scope(&described.grant_types);
        }
        Ok(Registration {
            client_id: None,
            secret: None,
            metadata: described,
        })
    }
}

/// `clients update`.
#[derive(Debug, clap::Args)]
pub struct ChangeOptions {
    /// The `client_id`.
    pub client_id: ClientId,
    /// The new name.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    details: Details,
    /// It may ask for any API that is registered.
    #[arg(long, conflicts_with = "resource")]
    any_resource: bool,
    /// It may do nothing until it is enabled again.
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// It may work again.
    #[arg(long)]
    enable: bool,
}

impl ChangeOptions {
    /// Changes `client` as the options say.
    ///
    /// # Errors
    /// When a scope is none.
    pub fn apply_to(
        self,
        client: &mut Client,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Result<(), InvalidRegistration> {
        if let Some(name) = self.name {
            client.metadata.client_name = name;
        }
        self.details
            .apply_to(&mut client.metadata)
            .map_err(|error| InvalidRegistration {
                code: ErrorCode::InvalidClientMetadata,
                reason: error.message,
            })?;
        if self.any_resource {
            client.metadata.resources = None;
        }
        if self.disable {
            client.disabled_at = client.disabled_at.or(Some(now));
        }
        if self.enable {
            client.disabled_at = None;
        }
        Ok(())
    }
}
