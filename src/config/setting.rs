//! How a text becomes a typed value: the same for the file and for environment variables.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A type that a key may have.
pub(super) trait Setting: Sized {
    /// What to write, for the error text: "must be …".
    const EXPECTED: &'static str;

    /// The value of a text, if it has one.
    fn parse(text: &str) -> Option<Self>;
}

impl Setting for String {
    const EXPECTED: &'static str = "a text on one line";

    fn parse(text: &str) -> Option<Self> {
        (!text.chars().any(char::is_control)).then(|| text.to_owned())
    }
}

impl Setting for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for u8 {
    const EXPECTED: &'static str = "a small whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for u32 {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for usize {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for Duration {
    const EXPECTED: &'static str = "a number with its unit, as 30s, 10m, 12h or 30d";

    fn parse(text: &str) -> Option<Self> {
        humantime::parse_duration(text).ok()
    }
}

impl Setting for SigningAlgorithm {
    const EXPECTED: &'static str = "EdDSA, Ed25519, ES256, RS256 or PS256";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Setting for PathBuf {
    const EXPECTED: &'static str = "a path";

    fn parse(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}

impl Setting for SocketAddr {
    const EXPECTED: &'static str = "an IP address and a port, as 127.0.0.1:8080 or [::]:8080";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for IpNet {
    const EXPECTED: &'static str = "a network or an address, as 10.0.0.0/8 or 192.0.2.1";

    fn parse(text: &str) -> Option<Self> {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(Self::from))
            .ok()
    }
}

impl Setting for Url {
    const EXPECTED: &'static str = "a URL that starts with https:// (or http://)";

    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    }
}

/// Makes an enum whose values are words.
macro_rules! words {
    ($(#[$about:meta])* $name:ident: $expected:literal { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $variant,)+
        }

        impl $name {
            /// The word that the configuration has for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl $crate::config::setting::Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_addresses_are_networks() {
        assert_eq!(
            <Duration as Setting>::parse("10m"),
            Some(Duration::from_secs(600))
        );
        assert_eq!(
            <Duration as Setting>::parse("30d"),
            Some(Duration::from_secs(2_592_000))
        );
        assert_eq!(
            <Duration as Setting>::parse("1h 30m"),
            Some(Duration::from_secs(5400))
        );
        assert_eq!(<Duration as Setting>::parse("0s"), Some(Duration::ZERO));
        for wrong in ["10", "m", "-5s", "ten minutes"] {
            assert_eq!(<Duration as Setting>::parse(wrong), None, "{wrong}");
        }
        let one = <IpNet as Setting>::parse("192.0.2.1").expect("an address");
        assert_eq!(one.to_string(), "192.0.2.1/32");
        assert!(<IpNet as Setting>::parse("10.0.0.0/33").is_none());
        assert!(<Url as Setting>::parse("mailto:a@example.org").is_none());
    }
}
