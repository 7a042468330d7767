//! `issuer`. Clients compare it byte by byte (OIDC Discovery §4.3, RFC 8414 §3.3), so only one spelling of a
//! URL is accepted: the one that URL libraries would make of it.

use std::net::IpAddr;

use url::{Host, Url};

use super::reader::Reader;

pub(super) fn read(reader: &mut Reader) -> String {
    let issuer: String = reader.value("issuer", "http://localhost:8080");
    if let Some(reason) = refusal(&issuer) {
        reader.problem("issuer", format!("{issuer:?} {reason}"));
    }
    issuer
}

/// The host of an issuer, `None` if it is no URL.
pub(super) fn host(issuer: &str) -> Option<String> {
    Some(Url::parse(issuer).ok()?.host_str()?.to_owned())
}

/// Whether both ends of a connection to `url` are on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

fn refusal(issuer: &str) -> Option<String> {
    let Some(url) = Url::parse(issuer)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return Some("must be the public URL of this provider, as https://id.example.org".to_owned());
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Some("must have neither query nor fragment; cut it at the ? or #".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("must not contain a user name or password".to_owned());
    }
    if issuer.ends_with('/') {
        return Some("must not end with a slash; remove it".to_owned());
    }
    let normal = url.as_str().trim_end_matches('/');
    if normal != issuer || url.path().contains("//") {
        return Some(format!("must be spelled as clients will compare it: {normal:?}"));
    }
    if url.path().contains('%') {
        return Some("must not have a path that needs percent-encoding".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Some(
            "must start with https:// (http is for localhost only); put a TLS proxy in front".to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_a_safe_url_is_an_issuer() {
        for right in [
            "https://id.example.org",
            "https://id.example.org:8443",
            "https://example.org/realms/one",
            "http://localhost:8080",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://demo.localhost",
        ] {
            assert_eq!(refusal(right), None, "{right}");
        }
        for wrong in [
            "",
            "id.example.org",
            "ftp://id.example.org",
            "https://id.example.org/",
            "https://id.example.org/a/",
            "https://id.example.org?a=b",
            "https://id.example.org#a",
            "https://id.example.org?",
            "https://user@id.example.org",
            "https://ID.example.org",
            "https://id.example.org:443",
            "https://id.example.org/a/../b",
            "https://id.example.org/a//b",
            "https://id.example.org/%61",
            "https://id.example.org/é",
            "http://id.example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
        ] {
            assert!(refusal(wrong).is_some(), "{wrong}");
        }
    }
}
