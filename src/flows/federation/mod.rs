//! Signing in through another provider: Google, GitHub, a company's own.
//!
//! 1. [`begin`] sends a browser there, for a [`Way`](crate::domain::federation::Way) that is stored under the hash of
//!    `state` and bound to the browser.
//! 2. [`callback`] takes the answer, once and in that browser, redeems the code, and has the arrival judged.
//! 3. [`arrive`] decides whose account it is: the one that has the identity, the one it may join, or a new one.
//! 4. [`join`] adds an identity whose address an account has already, once its user has proven that account.
//!
//! An identity is issuer and subject; an address never is. What the provider says of an address is believed only where
//! the operator made the provider its authority, so nobody comes into an account by claiming its address.
//!
//! Nothing here holds a connection of the database while a provider is waited for.

pub mod arrive;
pub mod begin;
pub mod callback;
pub mod credential;
pub mod id_token;
pub mod identities;
pub mod join;
pub mod logout;
pub mod policy;
pub mod sealed;
pub mod tokens;

use std::sync::Arc;

use self::credential::Credential;
use self::policy::Policy;
use crate::upstream::Upstream;

/// A provider whose client we are.
#[derive(Debug)]
pub struct Entry {
    /// How it is spoken to.
    pub upstream: Arc<Upstream>,
    /// What it may do here.
    pub policy: Policy,
    /// How we prove to it who we are.
    pub credential: Credential,
    /// What its button says.
    pub label: String,
    /// Whether its tokens are kept.
    pub keeps_tokens: bool,
    /// Whether our logout goes on to its own.
    pub logs_out: bool,
}

impl Entry {
    /// What it is called in addresses.
    pub fn id(&self) -> &str {
        self.upstream.id()
    }
}

/// The providers that the operator configured, in that order.
#[derive(Debug, Default)]
pub struct Federation(Vec<Entry>);

impl Federation {
    /// These.
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// All of them.
    pub fn entries(&self) -> &[Entry] {
        &self.0
    }

    /// The one of this id.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.id() == id)
    }

    /// The one that people of an address's domain come by, if the operator named exactly one for it.
    pub fn of_address(&self, email: &str) -> Option<&Entry> {
        let (_, domain) = email.rsplit_once('@')?;
        let mut named = self
            .0
            .iter()
            .filter(|entry| entry.policy.is_for_domain_alone(domain));
        named.next().filter(|_| named.next().is_none())
    }
}
