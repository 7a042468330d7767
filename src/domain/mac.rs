//! Message authentication codes (HMAC-SHA-256), pure: the keys are handed in. Each use names its purpose
//! inside the input, so that a code made for one place means nothing in another.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The length of a code in bytes.
pub const MAC_LENGTH: usize = 32;

/// A key for HMAC-SHA-256.
#[derive(Clone)]
pub struct MacKey(Zeroizing<Vec<u8>>);

impl MacKey {
    /// A key of these bytes. HMAC takes any length; ours are 32 random bytes or more.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The key's bytes, to wrap them for storage.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The code over `parts`, each preceded by its length, so that no two lists of parts look the same.
    pub fn mac(&self, purpose: &str, parts: &[&[u8]]) -> [u8; MAC_LENGTH] {
        self.over(purpose, parts).finalize().into_bytes().into()
    }

    /// Whether `code` was made by [`mac`](Self::mac), in constant time.
    pub fn verifies(&self, purpose: &str, parts: &[&[u8]], code: &[u8]) -> bool {
        self.over(purpose, parts).verify_slice(code).is_ok()
    }

    /// The plain HMAC of `message`, for formats that others fixed (the session cookie's signature).
    pub fn plain(&self, message: &[u8]) -> [u8; MAC_LENGTH] {
        self.start().chain_update(message).finalize().into_bytes().into()
    }

    /// Whether `code` was made by [`plain`](Self::plain), in constant time.
    pub fn plain_verifies(&self, message: &[u8], code: &[u8]) -> bool {
        self.start().chain_update(message).verify_slice(code).is_ok()
    }

    fn start(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.0).expect("HMAC takes a key of any length")
    }

    fn over(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.start();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MacKey")
    }
}

/// What a stored MAC key is for. One key serves one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MacPurpose {
    /// Refresh tokens, which rest nowhere: the code is the token.
    RefreshToken,
    /// Session tokens, so that the database alone forges none.
    SessionToken,
    /// Client secrets, stored as codes under this key.
    ClientSecret,
    /// The session cookie's signature. The key is text, because the cookie's form fixes it so; keys for
    /// CSRF fields, device cookies and account counters are derived from it by purpose.
    Cookie,
}

impl MacPurpose {
    /// Every purpose; a new issuer makes one key for each.
    pub const ALL: [Self; 4] = [
        Self::RefreshToken,
        Self::SessionToken,
        Self::ClientSecret,
        Self::Cookie,
    ];

    /// The purpose as the database names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshToken => "refresh_token",
            Self::SessionToken => "session_token",
            Self::ClientSecret => "client_secret",
            Self::Cookie => "cookie",
        }
    }

    /// The purpose that the database named.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == text)
    }
}

/// The keys of one purpose, by version.
#[derive(Debug, Clone)]
pub struct MacKeys {
    current: i32,
    versions: Vec<(i32, MacKey)>,
}

impl MacKeys {
    /// The keys of one purpose; `current` makes new codes, all verify. `None` if `current` is not there.
    pub fn new(current: i32, versions: Vec<(i32, MacKey)>) -> Option<Self> {
        versions
            .iter()
            .any(|(version, _)| *version == current)
            .then_some(Self { current, versions })
    }

    /// The version that new codes are made with, and its key.
    pub fn current(&self) -> (i32, &MacKey) {
        let key = self
            .version(self.current)
            .expect("the constructor saw the current version");
        (self.current, key)
    }

    /// The key of one version.
    pub fn version(&self, version: i32) -> Option<&MacKey> {
        self.versions
            .iter()
            .find(|(known, _)| *known == version)
            .map(|(_, key)| key)
    }

    /// All keys that verify.
    pub fn all(&self) -> impl Iterator<Item = &MacKey> {
        self.versions.iter().map(|(_, key)| key)
    }
}
