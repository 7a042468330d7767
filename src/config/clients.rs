//! `[clients]`

use super::reader::Reader;

/// What the provider does to clients by itself.
#[derive(Debug, Clone)]
pub struct Clients {
    /// Whether addresses that clients registered may lead to this machine and to private networks. Where the issuer
    /// itself is on loopback they always may.
    pub allow_private_addresses: bool,
}

impl Clients {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            allow_private_addresses: reader.value("clients.allow_private_addresses", "false"),
        }
    }
}
