//! What is tried, as data: one entry a check, one file a kind of attack. To add one, write what is shown, what must
//! come back, why it matters and what to do about it; the rest reads this list.

mod claims;
mod form;
mod keys;
mod requests;
mod signatures;

use super::material::{Attempt, Material, NotPossible};

/// Something that a resource server must do.
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// What must come back, whatever is shown of it.
    pub wants: Wants,
    /// What else must hold meanwhile.
    pub watch: Watch,
    /// What is shown, one request after the other.
    pub show: fn(&Material) -> Result<Vec<Attempt>, NotPossible>,
    /// What happens to those who fail, in a line.
    pub risk: &'static str,
    /// What to do then, in a line or two.
    pub fix: &'static str,
}

/// What must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// The request is served: 2xx.
    Acceptance,
    /// The token is refused: 401 or 403 (RFC 6750 §3.1).
    Refusal,
    /// The token, or the whole request as no proper one: 4xx, except those that speak of something else.
    AnyRefusal,
    /// The same, or the connection is closed in the middle of so long a request.
    AnyRefusalOrHangUp,
}

/// What is looked at beside the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nothing.
    Nothing,
    /// Nobody may fetch anything from the address that the tokens name.
    Lure,
    /// The JWKS may not be fetched for every token.
    JwksRequests,
}

/// That a good token is accepted. Without this, refusals prove nothing.
pub const CONTROL: &Check = &requests::GOOD_TOKEN;

/// That a token of the announced key is accepted: what a rotation will ask of everyone.
pub const ROTATION: &Check = &keys::ROTATION[0];

/// All others, in the order in which they are tried: what makes verifiers fetch keys, and then not again for a
/// while, comes last.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        requests::CHECKS,
        keys::ROTATION,
        signatures::CHECKS,
        claims::CHECKS,
        form::CHECKS,
        keys::CHECKS,
        requests::LAST,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_and_says_what_to_do() {
        let mut names = HashSet::new();
        for check in all().chain([CONTROL]) {
            assert!(names.insert(check.name), "{} stands there twice", check.name);
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(check.name.bytes().all(plain), "{}", check.name);
            assert!(!check.fix.is_empty(), "{}", check.name);
            let length = check.risk.chars().count();
            assert!((10..=100).contains(&length), "{}: {length}", check.name);
        }
    }
}
