//! Who may stand in `iss`: one name, or Microsoft's template with the tenant's id put in ("OpenID Connect on the
//! Microsoft identity platform").

use url::Url;
use uuid::Uuid;

use super::place::canonical;

const TENANT: &str = "{tenantid}";

/// What a provider calls itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Issuer {
    /// One name for all.
    One(String),
    /// One name a tenant: what stands before its id, and after.
    Tenants(String, String),
}

impl Issuer {
    /// What the metadata say of themselves, if that is whom they were asked of (OpenID Connect Discovery 1.0 §4.3).
    pub(super) fn of_metadata(asked: &Url, told: &str) -> Option<Self> {
        if let Some((before, after)) = told.split_once(TENANT) {
            let asked = asked.as_str();
            let fits = asked.len() > before.len() + after.len()
                && asked.starts_with(before)
                && asked.ends_with(after)
                // The host is named before the tenant, or anybody's document would do.
                && before.matches('/').count() >= 3;
            return fits.then(|| Self::Tenants(before.to_owned(), after.to_owned()));
        }
        let parsed = Url::parse(told).ok()?;
        (canonical(&parsed) == canonical(asked)).then(|| Self::One(told.to_owned()))
    }

    /// Whether `iss` can be this provider.
    pub(super) fn may_be(&self, iss: &str) -> bool {
        match self {
            Self::One(name) => name == iss,
            Self::Tenants(before, after) => iss
                .strip_prefix(&**before)
                .and_then(|rest| rest.strip_suffix(&**after))
                .is_some_and(|tenant| Uuid::try_parse(tenant).is_ok()),
        }
    }

    /// Whether `iss` is this provider and, where it has tenants, exactly the one of `tid`.
    pub(super) fn is(&self, iss: &str, tid: Option<&str>) -> bool {
        match self {
            Self::One(name) => name == iss,
            Self::Tenants(before, after) => tid.is_some_and(|tid| {
                Uuid::try_parse(tid).is_ok_and(|id| id.hyphenated().to_string() == tid)
                    && format!("{before}{tid}{after}") == iss
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    const TENANT_ID: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    fn of(asked: &str, told: &str) -> Option<Issuer> {
        Issuer::of_metadata(&asked.parse().expect("a URL"), told)
    }

    #[test]
    fn metadata_must_be_of_whom_they_were_asked_of() {
        assert!(of("https://id.example", "https://id.example").is_some());
        assert!(of("https://id.example", "https://id.example/").is_some());
        assert!(of("https://id.example/a", "https://id.example/a/").is_none());
        assert!(of("https://id.example/a", "https://id.example/b").is_none());
        assert!(of("https://id.example", "https://evil.example").is_none());
        assert!(of("https://id.example", "id.example").is_none());
    }

    #[test]
    fn a_template_is_taken_from_its_own_host_alone() {
        assert!(of("https://login.microsoftonline.com/common/v2.0", TEMPLATE).is_some());
        assert!(of("https://evil.example/common/v2.0", TEMPLATE).is_none());
        assert!(of("https://evil.example/common/v2.0", "https://{tenantid}/v2.0").is_none());
        assert!(of("https://evil.example/common/v2.0", "{tenantid}").is_none());
    }

    #[test]
    fn a_token_of_one_tenant_names_that_tenant() {
        let issuer = of("https://login.microsoftonline.com/common/v2.0", TEMPLATE).expect("the template");
        let iss = TEMPLATE.replace(TENANT, TENANT_ID);
        assert!(issuer.is(&iss, Some(TENANT_ID)) && issuer.may_be(&iss));
        assert!(!issuer.is(&iss, None));
        assert!(!issuer.is(&iss, Some("00000000-0000-0000-0000-000000000000")));
        assert!(!issuer.is(TEMPLATE, Some(TENANT)) && !issuer.may_be(TEMPLATE));
        let other = "https://login.microsoftonline.com/common/v2.0";
        assert!(!issuer.is(other, Some("common")) && !issuer.may_be(other));
    }
}
