//! Who is counted.

use std::net::{IpAddr, Ipv6Addr};

use sha2::{Digest, Sha256};

use crate::domain::email::EmailKey;

/// One source of requests: an IPv4 address, or the /64 that an IPv6 host may roam in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(IpAddr);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => network(address, 64),
            v4 => v4,
        })
    }
}

impl Source {
    /// Its address, or that of its network.
    pub(super) const fn address(self) -> IpAddr {
        self.0
    }

    /// The /48 that an IPv6 source lies in: what a site gets from its provider, and may roam in with a little more
    /// trouble.
    pub(super) fn site(self) -> Option<IpAddr> {
        match self.0 {
            IpAddr::V6(address) => Some(network(address, 48)),
            IpAddr::V4(_) => None,
        }
    }
}

fn network(address: Ipv6Addr, length: u32) -> IpAddr {
    IpAddr::V6((u128::from(address) & (u128::MAX << (128 - length))).into())
}

/// Who is counted: a source, or whoever else, of whom nothing can be read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A source of requests.
    Source(Source),
    /// A hash of what is counted and its kind.
    Hidden([u8; 32]),
}

impl Key {
    /// An e-mail address, in whatever spelling.
    pub fn email(email: &EmailKey) -> Self {
        Self::hidden("email", email.as_str().as_bytes())
    }

    fn hidden(kind: &str, value: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(kind)
            .chain_update([0])
            .chain_update(value);
        Self::Hidden(hash.finalize().into())
    }
}

impl From<Source> for Key {
    fn from(source: Source) -> Self {
        Self::Source(source)
    }
}

impl From<IpAddr> for Key {
    fn from(address: IpAddr) -> Self {
        Self::Source(address.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().expect("an address"))
    }

    #[test]
    fn an_ipv6_host_is_its_network_and_a_mapped_address_is_the_ipv4_one() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn the_networks_of_a_site_are_one_site() {
        assert_eq!(
            source("2001:db8:1:2::1").site(),
            source("2001:db8:1:ffff::1").site()
        );
        assert_ne!(source("2001:db8:1:2::1").site(), source("2001:db8:2:2::1").site());
        assert_eq!(source("::ffff:192.0.2.1").site(), None);
    }

    #[test]
    fn a_user_and_an_address_of_the_same_bytes_are_two() {
        assert_ne!(Key::hidden("user", b"a"), Key::hidden("email", b"a"));
    }
}
