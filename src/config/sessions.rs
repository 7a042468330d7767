//! `[sessions]`

use std::net::IpAddr;
use std::time::Duration;

use super::issuer;
use super::reader::Reader;

/// Browser sessions and their cookie.
#[derive(Debug, Clone)]
pub struct Sessions {
    /// The longest life of a session, since login.
    pub ttl: Duration,
    /// Its life since the last use, capped by `ttl`.
    pub idle_ttl: Duration,
    /// The cookie is `<prefix>.session_token`.
    pub cookie_prefix: String,
    /// The cookie's `Domain`; `None` binds it to the issuer's host.
    pub cookie_domain: Option<String>,
}

impl Sessions {
    pub(super) fn read(reader: &mut Reader, issuer: &str) -> Self {
        let sessions = Self {
            ttl: reader.value("sessions.ttl", "30d"),
            idle_ttl: reader.value("sessions.idle_ttl", "7d"),
            cookie_prefix: reader.value("sessions.cookie_prefix", "better-auth"),
            cookie_domain: reader.optional("sessions.cookie_domain"),
        };
        // Browsers cut longer cookies to 400 days (RFC 6265bis §5.5).
        reader.lasts("sessions.ttl", sessions.ttl, "1s", "400d");
        reader.lasts("sessions.idle_ttl", sessions.idle_ttl, "1s", "400d");
        let prefix = &sessions.cookie_prefix;
        reader.check(
            "sessions.cookie_prefix",
            prefix.len() <= 64
                && prefix
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)),
            "must be at most 64 letters, digits, hyphens, underscores or dots",
        );
        if let Some(domain) = &sessions.cookie_domain {
            reader.check(
                "sessions.cookie_domain",
                covers(domain, issuer),
                "must be the issuer's host or a parent domain of it with a dot inside, as example.org for \
                 https://id.example.org",
            );
        }
        sessions
    }
}

/// Whether a browser would accept the domain from the issuer's host: never an address, never a bare
/// top-level domain.
fn covers(domain: &str, issuer: &str) -> bool {
    let host = issuer::host(issuer).unwrap_or_default();
    let inside = host == domain
        || host
            .strip_suffix(domain)
            .is_some_and(|front| front.ends_with('.'));
    let address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    let named = domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    inside && !address && named
}

#[cfg(test)]
mod tests {
    use super::covers;

    #[test]
    fn a_cookie_domain_covers_the_issuer_and_no_more_than_a_site() {
        assert!(covers("example.org", "https://id.example.org"));
        assert!(covers("id.example.org", "https://id.example.org:8443/a"));
        for wrong in [
            "org",
            ".example.org",
            "ample.org",
            "other.org",
            "x.id.example.org",
            "example.org.",
        ] {
            assert!(!covers(wrong, "https://id.example.org"), "{wrong}");
        }
        assert!(!covers("0.0.1", "http://127.0.0.1:8080"));
        assert!(!covers("127.0.0.1", "http://127.0.0.1:8080"));
    }
}
