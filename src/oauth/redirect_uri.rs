//! Redirect URIs: what may be registered, and when a request's equals a registered one. Compared as bytes;
//! parsing serves only to refuse a registration.

use url::{Host, Url};

/// The longest redirect URI in bytes.
const MAX_REDIRECT_URI_LENGTH: usize = 2048;

/// Why a URI cannot be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// RFC 6749 §3.1.2.
    #[error("a redirect URI is absolute, without fragment, user or control characters, 2048 bytes at most")]
    Malformed,
    /// A scheme that runs code or reads files in the browser.
    #[error("this scheme cannot take an authorization response")]
    Scheme,
    /// RFC 9700 §2.6: codes do not travel in the clear.
    #[error("http is for loopback addresses alone; use https")]
    Insecure,
    /// The written form and the form that a browser would use differ.
    #[error("the URI is not in its canonical form; write it as a browser shows it")]
    NotCanonical,
}

/// Checks a URI for registration: https anywhere, http on loopback, or a private-use scheme with a dot in
/// it (RFC 8252 §7.1). Wildcards have no meaning.
///
/// # Errors
/// With the reason.
pub fn check(uri: &str) -> Result<(), InvalidRedirectUri> {
    let plain = uri.len() <= MAX_REDIRECT_URI_LENGTH
        && uri
            .bytes()
            .all(|byte| (0x21..=0x7e).contains(&byte) && !b"\\\"<>^`{|}".contains(&byte));
    if !plain || uri.contains('#') {
        return Err(InvalidRedirectUri::Malformed);
    }
    let url = Url::parse(uri).map_err(|_| InvalidRedirectUri::Malformed)?;
    if !url.username().is_empty() || url.password().is_some() || uri.contains("*") {
        return Err(InvalidRedirectUri::Malformed);
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(InvalidRedirectUri::Insecure),
        private if private.contains('.') => return Ok(()),
        _ => return Err(InvalidRedirectUri::Scheme),
    }
    // A URL without a path is registered by some clients as `https://host`, and a parser adds the slash.
    let canonical = url.as_str() == uri || url.path() == "/" && url.as_str().strip_suffix('/') == Some(uri);
    if canonical {
        Ok(())
    } else {
        Err(InvalidRedirectUri::NotCanonical)
    }
}

/// Whether a request's `redirect_uri` is the registered one: the same bytes (RFC 9700 §4.1.3), except that
/// the port of a registered `http://127.0.0.1` or `http://[::1]` is free (RFC 8252 §7.3).
pub fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    match (loopback_parts(registered), loopback_parts(requested)) {
        (Some(registered), Some(requested)) => registered == requested,
        _ => false,
    }
}

/// The origin (scheme, host, port) of a URI, as a browser sends it in `Origin`. `None` for private schemes.
pub fn origin(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.origin().ascii_serialization())
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Host and the rest of a loopback URI by literal address, without its port.
fn loopback_parts(uri: &str) -> Option<(&'static str, &str)> {
    let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
        .into_iter()
        .find_map(|host| uri.strip_prefix(host).map(|rest| (host, rest)))?;
    let rest = match rest.strip_prefix(':') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            rest[..digits].parse::<u16>().ok()?;
            &rest[digits..]
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with('/') || rest.starts_with('?')).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_bytes_match() {
        let registered = "https://app.example/callback";
        for other in [
            "https://app.example/callback/",
            "https://app.example/callback?x=1",
            "https://APP.example/callback",
            "https://app.example/x/..;/callback",
            "https://app.example/x/../callback",
            "https://app.example:443/callback",
            "https://app.example@evil.example/callback",
            "https://app.example.evil.example/callback",
            "https://app.example/callback#",
            "http://app.example/callback",
            "https://app.example/%63allback",
            "",
        ] {
            assert!(!matches(registered, other), "{other}");
        }
        assert!(matches(registered, registered));
    }

    #[test]
    fn the_port_is_free_on_literal_loopback_alone() {
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb"));
        assert!(matches("http://[::1]/cb", "http://[::1]:8/cb"));
        for (registered, requested) in [
            ("http://localhost/cb", "http://localhost:1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://[::1]:1/cb"),
            ("https://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
        ] {
            assert!(!matches(registered, requested), "{requested}");
        }
    }

    #[test]
    fn registration_refuses_what_browsers_read_differently() {
        for good in [
            "https://app.example/callback",
            "https://app.example",
            "https://app.example/cb?tenant=1",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]/cb",
            "com.example.app:/oauth",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://app.example/cb",
            "https://user@app.example/cb",
            "https://app.example/cb#x",
            "https://app.example/a/../cb",
            "https://*.example/cb",
            "https://app.example\\@evil.example/",
            "https://APP.example/cb",
            "//app.example/cb",
            "/cb",
            "",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
