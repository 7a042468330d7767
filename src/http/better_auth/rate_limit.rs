//! How often one address may call one path, counted in this node's memory: clients know these limits. What guards
//! accounts and mailboxes is counted by the flows, whichever way they are reached.
//!
//! A window ends when the last allowed request is as long ago as it lasts, so refused ones do not keep it open.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use chrono::{DateTime, TimeDelta, Utc};

use super::answer::ApiError;
use super::{BASE, endpoints};
use crate::flows::limits::Source;
use crate::http::client_address::client_address;
use crate::http::site::Site;

/// The most windows that are kept.
const CAPACITY: usize = 100_000;

/// All addresses that are none of ours are counted as one.
const UNKNOWN: &str = "";

/// Answers for the limiter, before anything else.
pub async fn before_all(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let refused = request.app_data::<web::Data<Site>>().and_then(|site| {
        if !site.provider.settings.rate_limits {
            return None;
        }
        let address = client_address(request.request(), &site.trusted_proxies);
        let base = site.path(BASE);
        let path = request.path().strip_prefix(&*base).unwrap_or_default();
        let known = endpoints::known_path(path).unwrap_or(UNKNOWN);
        let limits = &site.better_auth_limits;
        limits.take(address, known, site.provider.now()).err()
    });
    match refused {
        Some(wait) => {
            let answer = ApiError::too_many(wait).respond();
            Ok(request.into_response(answer).map_into_right_body())
        }
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

/// How long a window lasts for a path, and how many requests it takes.
fn rule(path: &str) -> (TimeDelta, u32) {
    let starts = |with: &str| path.starts_with(with);
    let (seconds, most) = match path {
        "/sign-in/magic-link" | "/magic-link/verify" => (60, 5),
        "/request-password-reset" | "/send-verification-email" => (60, 3),
        _ if starts("/forget-password") || starts("/email-otp/") || path == "/sign-in/email-otp" => (60, 3),
        _ if starts("/sign-in") || starts("/sign-up") => (10, 3),
        _ if starts("/change-password") || starts("/change-email") || starts("/two-factor/") => (10, 3),
        _ => (10, 100),
    };
    (TimeDelta::seconds(seconds), most)
}

#[derive(Debug, Clone, Copy)]
struct Window {
    allowed: u32,
    last: DateTime<Utc>,
}

/// The windows of one node.
#[derive(Debug, Default)]
pub struct RateLimits(Mutex<HashMap<(Option<Source>, &'static str), Window>>);

impl RateLimits {
    /// Takes a request.
    ///
    /// # Errors
    /// With how long to wait until there may be one again.
    fn take(&self, address: IpAddr, path: &'static str, now: DateTime<Utc>) -> Result<(), TimeDelta> {
        let (length, most) = rule(path);
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (Some(Source::from(address)), path);
        if windows.len() >= CAPACITY && !windows.contains_key(&key) {
            windows.retain(|(_, path), window| now < window.last + rule(path).0);
            if windows.len() >= CAPACITY {
                key.0 = None;
            }
        }
        let fresh = Window {
            allowed: 0,
            last: now,
        };
        let window = windows.entry(key).or_insert(fresh);
        if now >= window.last + length {
            *window = fresh;
        }
        if window.allowed >= most {
            return Err(window.last + length - now);
        }
        window.allowed += 1;
        window.last = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_allowed_request_keeps_the_window_open_and_a_refused_one_does_not() {
        let limits = RateLimits::default();
        let take = |seconds| limits.take(address("192.0.2.1"), "/sign-in/email", at(seconds));
        for second in [0, 9, 18] {
            assert_eq!(take(second), Ok(()), "{second}");
        }
        for second in 19..28 {
            assert_eq!(take(second), Err(TimeDelta::seconds(28 - second)));
        }
        assert_eq!(take(28), Ok(()));
        assert_eq!(take(28), Ok(()));
    }

    #[test]
    fn paths_and_addresses_are_counted_apart() {
        let limits = RateLimits::default();
        let take = |from, path| limits.take(address(from), path, at(0));
        for _ in 0..3 {
            assert_eq!(take("2001:db8::1", "/sign-up/email"), Ok(()));
        }
        assert!(take("2001:db8::ffff", "/sign-up/email").is_err());
        assert_eq!(take("2001:db8:0:1::1", "/sign-up/email"), Ok(()));
        assert_eq!(take("2001:db8::1", "/sign-in/email"), Ok(()));
    }

    #[test]
    fn every_path_has_the_rule_that_clients_know() {
        for (path, seconds, most) in [
            ("/ok", 10, 100),
            ("/get-session", 10, 100),
            (UNKNOWN, 10, 100),
            ("/verify-email", 10, 100),
            ("/reset-password", 10, 100),
            ("/sign-in/email", 10, 3),
            ("/sign-in/social", 10, 3),
            ("/sign-up/email", 10, 3),
            ("/change-password", 10, 3),
            ("/change-email", 10, 3),
            ("/request-password-reset", 60, 3),
            ("/send-verification-email", 60, 3),
            ("/forget-password/email-otp", 60, 3),
            ("/email-otp/send-verification-otp", 60, 3),
            ("/email-otp/verify-email", 60, 3),
            ("/sign-in/email-otp", 60, 3),
            ("/sign-in/magic-link", 60, 5),
            ("/magic-link/verify", 60, 5),
        ] {
            assert_eq!(rule(path), (TimeDelta::seconds(seconds), most), "{path}");
        }
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_table() {
        let limits = RateLimits::default();
        for number in 0..u32::try_from(CAPACITY + 100).expect("a small number") {
            let _ = limits.take(IpAddr::from(number.to_be_bytes()), "/ok", at(0));
        }
        let size = limits.0.lock().expect("not poisoned").len();
        assert!(size <= CAPACITY + 1, "{size}");
    }
}
