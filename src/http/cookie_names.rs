//! What the cookies are called on a site, and what browsers are to do with them.

use actix_web::http::header::HeaderValue;

/// The names, with the prefixes that make browsers keep what they promise (RFC 6265bis §4.1.3).
#[derive(Debug, Clone)]
pub struct CookieNames {
    pub(super) session: String,
    /// What Better Auth's clients call the cookies beside it.
    pub(super) dont_remember: String,
    pub(super) session_data: String,
    /// What the cookies start with that keep further sessions of a browser.
    pub(super) waiting: String,
    pub(super) bind: Option<String>,
    pub(super) device: String,
    pub(super) browser: String,
    pub(super) domain: Option<String>,
    secure: bool,
}

impl CookieNames {
    /// The names for a site. A second cookie binds the session to the very host where no domain is set and the
    /// browser enforces it, on https.
    pub fn new(prefix: &str, domain: Option<String>, secure: bool) -> Self {
        let (for_site, for_host) = if secure {
            ("__Secure-", "__Host-")
        } else {
            ("", "")
        };
        Self {
            session: format!("{for_site}{prefix}.session_token"),
            dont_remember: format!("{for_site}{prefix}.dont_remember"),
            session_data: format!("{for_site}{prefix}.session_data"),
            // A sibling host must not be able to put a session of its own beside those of the user.
            waiting: match domain {
                None => format!("{for_host}{prefix}.session_token_multi-"),
                Some(_) => format!("{for_site}{prefix}.session_token_multi-"),
            },
            bind: (secure && domain.is_none()).then(|| "__Host-signet.bind".to_owned()),
            device: format!("{for_host}signet.device"),
            browser: format!("{for_host}signet.browser"),
            domain,
            secure,
        }
    }

    /// `Set-Cookie` for one of them.
    pub(super) fn set(&self, name: &str, value: &str, max_age: i64, domain: Option<&str>) -> HeaderValue {
        self.set_for(name, value, Some(max_age), domain)
    }

    /// [`set`](Self::set); without `max_age` the cookie goes with the browser.
    pub(super) fn set_for(
        &self,
        name: &str,
        value: &str,
        max_age: Option<i64>,
        domain: Option<&str>,
    ) -> HeaderValue {
        let max_age = max_age.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        let domain = domain.map_or_else(String::new, |domain| format!("; Domain={domain}"));
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{name}={value}{max_age}{domain}; Path=/; HttpOnly{secure}; SameSite=Lax");
        HeaderValue::try_from(text).expect("names and values of ours are printable ASCII")
    }
}
