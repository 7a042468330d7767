//! Where a request comes from. A header is believed only from a proxy that the operator named, and then only
//! the last address that no such proxy wrote; what cannot be read leaves the peer's own address, never none.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// The address that a request is counted under.
pub fn client_address(request: &HttpRequest, trusted: &[IpNet]) -> IpAddr {
    let peer = request
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip().to_canonical());
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let values = |name: &str| {
        let values = request.headers().get_all(name);
        values
            .map(|value| value.to_str().ok())
            .collect::<Option<Vec<_>>>()
    };
    let through = |name: &str, hops: fn(&[&str]) -> Vec<Option<IpAddr>>| {
        let values = values(name).map_or_else(|| vec![None], |values| hops(&values));
        (!values.is_empty()).then(|| last_untrusted(peer, values, trusted))
    };
    let forwarded = through("forwarded", forwarded_hops);
    let x_forwarded_for = through("x-forwarded-for", plain_hops);
    match (forwarded, x_forwarded_for) {
        (Some(one), Some(other)) if one == other => one,
        // A proxy writes one of them and may pass on the other as its client wrote it. Which is which cannot be
        // told, so neither is believed.
        (Some(_), Some(_)) | (None, None) => peer,
        (Some(one), None) | (None, Some(one)) => one,
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Walks from the nearest hop outwards. Behind something unreadable nothing is believed.
fn last_untrusted(peer: IpAddr, hops: Vec<Option<IpAddr>>, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer;
    for hop in hops.into_iter().rev() {
        let Some(hop) = hop else { return nearest };
        nearest = hop;
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    nearest
}

/// `X-Forwarded-For`: addresses, the nearest last.
fn plain_hops(values: &[&str]) -> Vec<Option<IpAddr>> {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|hop| parse_node(hop.trim()))
        .collect()
}

/// `Forwarded` (RFC 7239 §4): elements with a `for` parameter, the nearest last.
fn forwarded_hops(values: &[&str]) -> Vec<Option<IpAddr>> {
    let node = |element: &str| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for")
                .then(|| parse_node(value.trim().trim_matches('"')))?
        })
    };
    values
        .iter()
        .flat_map(|value| value.split(','))
        .map(node)
        .collect()
}

/// An address, with or without brackets and port (RFC 7239 §6).
fn parse_node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok()?,
        None => match text.parse() {
            Ok(address) => address,
            Err(_) => IpAddr::V4(text.rsplit_once(':')?.0.parse().ok()?),
        },
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128"]
            .map(|net| net.parse().expect("a network"))
            .into();
        let mut request =
            TestRequest::default().peer_addr(format!("{peer}:1234").parse().expect("an address"));
        for header in headers {
            request = request.append_header(*header);
        }
        client_address(&request.to_http_request(), &trusted).to_string()
    }

    #[test]
    fn only_named_proxies_are_believed_and_only_up_to_the_first_stranger() {
        assert_eq!(
            seen("192.0.2.1", &[("x-forwarded-for", "198.51.100.7")]),
            "192.0.2.1"
        );
        assert_eq!(
            seen("10.0.0.1", &[("x-forwarded-for", "198.51.100.7")]),
            "198.51.100.7"
        );
        assert_eq!(
            seen(
                "10.0.0.1",
                &[("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.9.9.9")]
            ),
            "198.51.100.7"
        );
        assert_eq!(
            seen(
                "10.0.0.1",
                &[
                    ("x-forwarded-for", "1.1.1.1"),
                    ("x-forwarded-for", "198.51.100.7")
                ]
            ),
            "198.51.100.7"
        );
        assert_eq!(
            seen(
                "[::1]",
                &[("forwarded", "for=1.1.1.1, For=\"[2001:db8::7]:80\";proto=https")]
            ),
            "2001:db8::7"
        );
    }

    #[test]
    fn two_headers_that_contradict_are_both_worth_nothing() {
        let both = |forwarded, plain| {
            seen(
                "10.0.0.1",
                &[("forwarded", forwarded), ("x-forwarded-for", plain)],
            )
        };
        assert_eq!(both("for=1.1.1.1", "198.51.100.7"), "10.0.0.1");
        assert_eq!(both("for=garbage", "198.51.100.7"), "10.0.0.1");
        assert_eq!(both("proto=https", "198.51.100.7"), "10.0.0.1");
        assert_eq!(both("for=198.51.100.7", "1.1.1.1, 198.51.100.7"), "198.51.100.7");
    }

    #[test]
    fn what_cannot_be_read_leaves_the_nearest_address_that_can() {
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(seen("10.0.0.1", &[("x-forwarded-for", "garbage")]), "10.0.0.1");
        assert_eq!(
            seen("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown")]),
            "10.0.0.1"
        );
        assert_eq!(seen("10.0.0.1", &[("forwarded", "for=_hidden")]), "10.0.0.1");
        assert_eq!(
            seen("10.0.0.1", &[("x-forwarded-for", "198.51.100.7:4711")]),
            "198.51.100.7"
        );
    }
}
