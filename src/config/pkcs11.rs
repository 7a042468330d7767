//! The part of `[keys]` that says where private keys are made, and how a PKCS#11 token is reached.

use std::path::PathBuf;

use super::reader::Reader;
use super::setting::words;
use crate::domain::secret::Secret;

words! {
    /// Where the private parts of new signing keys come to rest.
    KeyLocation: "\"database\" or \"pkcs11\"" {
        /// In the database, wrapped with the master key.
        Database = "database",
        /// In the PKCS#11 token, which they never leave.
        Pkcs11 = "pkcs11",
    }
}

/// A PKCS#11 token.
#[derive(Debug, Clone)]
pub struct Pkcs11 {
    /// The shared library of the token's maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of its user.
    pub pin: Secret,
}

/// Where new keys are made, and the token, of which there is none unless it is told whole.
pub(super) fn read(reader: &mut Reader) -> (KeyLocation, Option<Pkcs11>) {
    let location = reader.value("keys.location", "database");
    let module: Option<PathBuf> = reader.optional("keys.pkcs11_module");
    let token: Option<String> = reader.optional("keys.pkcs11_token");
    let pin = reader.secret("keys.pkcs11_pin");
    let wanted = location == KeyLocation::Pkcs11 || module.is_some() || token.is_some() || pin.is_some();
    for (name, given) in [
        ("keys.pkcs11_module", module.is_some()),
        ("keys.pkcs11_token", token.is_some()),
        ("keys.pkcs11_pin", pin.is_some()),
    ] {
        let text = "is missing: a PKCS#11 token needs its module, its label and its PIN";
        // A PIN in a file that cannot be read has been complained of.
        reader.check(
            name,
            !wanted || given || reader.has_problem(&format!("{name}_file")),
            text,
        );
    }
    let pkcs11 = match (module, token, pin) {
        (Some(module), Some(token), Some(pin)) => Some(Pkcs11 { module, token, pin }),
        _ => None,
    };
    (location, pkcs11)
}
