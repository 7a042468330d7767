//! What a provider may do here. Pure.

use crate::domain::email::EmailAddress;
use crate::domain::user::User;
use crate::upstream::{Person, Preset};

/// What the operator decided of a provider.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The domains whose addresses may come in; empty is all.
    pub allowed_domains: Vec<String>,
    /// The domains for whose addresses its `email_verified` is believed; `*` is all.
    pub authoritative_domains: Vec<String>,
    /// When an arriving identity joins an account that has its address.
    pub linking: Linking,
    /// Whether an unknown identity makes an account.
    pub signup: bool,
}

/// When an arriving identity joins an account that has its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linking {
    /// Never.
    Never,
    /// When both sides verified the address, and the provider is the authority for it.
    VerifiedEmail,
    /// When its user proves the account first.
    Ask,
}

impl Policy {
    /// Whether this provider is the way in for addresses of a domain.
    pub fn is_for_domain_alone(&self, domain: &str) -> bool {
        self.allowed_domains
            .iter()
            .any(|allowed| is_same(allowed, domain))
    }

    /// Whether a person of this address may come in. Where domains are named, the address must be one that the provider
    /// verified: anybody can claim one.
    pub fn admits(&self, person: &Person) -> bool {
        if self.allowed_domains.is_empty() {
            return true;
        }
        let domain = person.email.as_deref().and_then(domain_of);
        person.email_verified && domain.is_some_and(|domain| self.is_for_domain_alone(domain))
    }

    /// Whether the provider's word proves that a person reads the address: it says so, and it is who gives addresses of
    /// that domain away. Google is for its own, and for those of an organisation that its account belongs to (`hd`).
    pub fn vouches_for(&self, person: &Person, preset: Preset) -> bool {
        // Addresses in tokens of Microsoft's tenants are whatever the tenant's administrator wrote there.
        if !person.email_verified || preset == Preset::Microsoft {
            return false;
        }
        let Some(domain) = person.email.as_deref().and_then(domain_of) else {
            return false;
        };
        let named = |authority: &String| authority == "*" || is_same(authority, domain);
        let of_organisation = || {
            let hosted = person
                .hosted_domain
                .as_deref()
                .filter(|_| preset == Preset::Google);
            hosted.is_some_and(|hosted| is_same(hosted, domain))
        };
        self.authoritative_domains.iter().any(named)
            || of_preset(preset)
                .iter()
                .any(|authority| is_same(authority, domain))
            || of_organisation()
    }

    /// Whether an identity joins this account, which has its address, without a word.
    pub fn links_silently(&self, person: &Person, preset: Preset, account: &User) -> bool {
        self.linking == Linking::VerifiedEmail && account.email_verified && self.vouches_for(person, preset)
    }
}

/// The domains that a preset gives addresses of.
const fn of_preset(preset: Preset) -> &'static [&'static str] {
    match preset {
        Preset::Google => &["gmail.com", "googlemail.com"],
        Preset::Apple => &["icloud.com", "me.com", "mac.com", "privaterelay.appleid.com"],
        _ => &[],
    }
}

fn domain_of(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain)
}

/// Domains as people write them, international ones too, are compared as addresses are.
fn is_same(one: &str, other: &str) -> bool {
    let canonical =
        |domain: &str| EmailAddress::parse(&format!("a@{domain}")).map(|it| it.key().as_str().to_owned());
    match (canonical(one), canonical(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.eq_ignore_ascii_case(other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn person(email: &str, verified: bool, hosted: Option<&str>) -> Person {
        Person {
            email: Some(email.to_owned()),
            email_verified: verified,
            hosted_domain: hosted.map(str::to_owned),
            name: None,
            picture: None,
            claims: Value::Null,
        }
    }

    fn policy(allowed: &[&str], authoritative: &[&str]) -> Policy {
        let owned = |domains: &[&str]| domains.iter().map(|it| (*it).to_owned()).collect();
        Policy {
            allowed_domains: owned(allowed),
            authoritative_domains: owned(authoritative),
            linking: Linking::VerifiedEmail,
            signup: true,
        }
    }

    #[test]
    fn a_word_counts_only_from_whoever_gives_the_addresses_away() {
        use Preset::{Apple, GitHub, Google, Microsoft, Oidc};
        let nobody = policy(&[], &[]);
        for (preset, email, verified, hosted, counts) in [
            (Google, "ada@gmail.com", true, None, true),
            (Google, "ada@GMail.com", true, None, true),
            (Google, "ada@gmail.com", false, None, false),
            (Google, "ada@example.org", true, None, false),
            (Google, "ada@example.org", true, Some("example.org"), true),
            (Google, "ada@example.org", false, Some("example.org"), false),
            (Google, "ada@example.org", true, Some("example.com"), false),
            (Google, "ada@mail.example.org", true, Some("example.org"), false),
            (Oidc, "ada@example.org", true, Some("example.org"), false),
            (Oidc, "ada@gmail.com", true, None, false),
            (GitHub, "ada@example.org", true, None, false),
            (Apple, "x1@privaterelay.appleid.com", true, None, true),
            (Microsoft, "ada@outlook.com", true, None, false),
        ] {
            let vouches = nobody.vouches_for(&person(email, verified, hosted), preset);
            assert_eq!(vouches, counts, "{preset:?} {email} {verified} {hosted:?}");
        }
        let corp = policy(&[], &["example.org", "exämple.org"]);
        assert!(corp.vouches_for(&person("ada@example.org", true, None), Oidc));
        assert!(corp.vouches_for(&person("ada@xn--exmple-cua.org", true, None), Oidc));
        assert!(!corp.vouches_for(&person("ada@example.com", true, None), Oidc));
        let all = policy(&[], &["*"]);
        assert!(all.vouches_for(&person("ada@example.com", true, None), GitHub));
        assert!(!all.vouches_for(&person("ada@example.com", false, None), GitHub));
        assert!(!all.vouches_for(&person("ada@example.com", true, None), Microsoft));
    }

    #[test]
    fn named_domains_let_only_their_verified_addresses_in() {
        let corp = policy(&["example.org"], &[]);
        assert!(corp.admits(&person("ada@example.org", true, None)));
        assert!(!corp.admits(&person("ada@example.org", false, None)));
        assert!(!corp.admits(&person("ada@example.com", true, None)));
        assert!(!corp.admits(&person("ada@notexample.org", true, None)));
        assert!(policy(&[], &[]).admits(&person("ada@example.com", false, None)));
    }
}
