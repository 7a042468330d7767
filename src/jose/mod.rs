//! All of JOSE (RFC 7515 to 7519, 8037, 9864): keys at rest, signing, verifying, the JWKS. josekit and
//! cryptoki are named here and nowhere else. Knows no SQL and no HTTP.

pub mod apple_client_secret;
pub mod better_auth_key;
pub mod claims;
pub mod client_assertion;
mod client_jwks;
mod compact;
pub mod forge;
mod generate;
mod jwks;
pub mod key_file;
mod keyring;
mod master_key_file;
pub mod pkcs11;
mod public_verifier;
mod sign;
mod signer;
mod thumbprint;
mod verifier;
pub mod verify;
pub mod wrap;

pub use client_jwks::{ASSERTION_ALGORITHMS, ClientKeys, InvalidClientJwks};
pub use generate::{GenerateError, NewKey, Seed, generate, generate_ed25519, generate_rsa};
pub use jwks::{JwksViews, PublicJwk, PublicKey, PublishedJwks};
pub use keyring::{KeyFault, KeyRing, KeyringError, RingKey, UnusableKey, signing_key_place};
pub use master_key_file::{MasterKeyFileError, create_master_key, read_master_keys};
pub use public_verifier::{NotAccepted, verify_with_jwks};
pub use sign::{SignError, SigningKey, TokenType};
pub use verifier::InvalidPublicKey;
