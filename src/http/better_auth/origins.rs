//! Whom the operator trusts: whose pages may call with cookies, and where browsers may be sent.
//!
//! The two are not the same. A page that calls with cookies must stand in the configuration word for word; a pattern
//! serves addresses that browsers are sent to, and these alone.

use url::Url;

/// The longest address that a browser is sent to, in bytes.
const MAX_TARGET: usize = 2048;

/// Schemes that run or show what stands in the address itself.
const NEVER: [&str; 7] = [
    "javascript",
    "data",
    "vbscript",
    "blob",
    "file",
    "about",
    "filesystem",
];

/// The trusted origins of a site.
#[derive(Debug, Clone)]
pub struct Origins {
    own: Url,
    exact: Vec<String>,
    patterns: Vec<String>,
}

impl Origins {
    /// What the operator listed, beside the site's own origin.
    pub fn new(own: &str, listed: &[String]) -> Self {
        let (patterns, exact): (Vec<_>, Vec<_>) = listed
            .iter()
            .cloned()
            .partition(|entry| entry.contains(['*', '?']));
        let parsed = |entry: &String| Url::parse(entry).ok().and_then(|url| origin(&url));
        Self {
            own: Url::parse(own).expect("the issuer has an origin"),
            exact: exact.iter().filter_map(parsed).collect(),
            patterns: patterns.iter().map(|pattern| pattern.to_lowercase()).collect(),
        }
    }

    /// Whether pages of the origin that a browser named may call with cookies.
    pub fn trusts(&self, named: &str) -> bool {
        let named = Url::parse(named).ok().and_then(|url| origin(&url));
        named.is_some_and(|named| self.is_own(&named) || self.exact.contains(&named))
    }

    /// Whether a browser may be sent to `target`: a path of ours, or an address on a trusted origin. Read as browsers
    /// read it, and what they read in two ways is refused.
    pub fn leads_home(&self, target: &str) -> bool {
        let strange = |character: char| !('!'..='~').contains(&character) || character == '\\';
        if target.len() > MAX_TARGET || target.contains(strange) {
            return false;
        }
        if target.starts_with('/') {
            let path = target.split(['?', '#']).next().unwrap_or_default().to_lowercase();
            let hidden = path.starts_with("//") || path.contains("%2f") || path.contains("%5c");
            let read = self.own.join(target);
            return !hidden && read.is_ok_and(|url| url.origin() == self.own.origin());
        }
        let Ok(url) = Url::parse(target) else {
            return false;
        };
        let plain = url.username().is_empty() && url.password().is_none();
        let Some(origin) = origin(&url).filter(|_| plain) else {
            return false;
        };
        self.is_own(&origin)
            || self.exact.contains(&origin)
            || self.exact.iter().any(|entry| is_scheme_of(entry, &url))
            || self
                .patterns
                .iter()
                .any(|pattern| matches(pattern, &url, &origin))
    }

    /// A target as the whole address that browsers read, from a page of ours.
    pub fn absolute(&self, target: &str) -> String {
        self.own
            .join(target)
            .map_or_else(|_| self.own.to_string(), String::from)
    }

    fn is_own(&self, origin: &str) -> bool {
        self.own.origin().ascii_serialization() == origin
    }
}

/// The origin of an address; of an application's own scheme, the scheme with whatever host it has. Compared as text,
/// since it was parsed.
fn origin(url: &Url) -> Option<String> {
    match url.scheme() {
        "http" | "https" => Some(url.origin().ascii_serialization()),
        scheme if NEVER.contains(&scheme) || url.cannot_be_a_base() => None,
        scheme => {
            let host = url.host_str().unwrap_or_default().to_lowercase();
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            Some(format!("{scheme}://{host}{port}"))
        }
    }
}

/// An entry such as `myapp://` stands for every address of the scheme.
fn is_scheme_of(entry: &str, url: &Url) -> bool {
    entry.strip_suffix("://") == Some(url.scheme())
}

/// A pattern with a scheme is held against the origin, one without against the host.
fn matches(pattern: &str, url: &Url, origin: &str) -> bool {
    if pattern.contains("://") {
        return is_like(pattern, origin);
    }
    let web = matches!(url.scheme(), "http" | "https");
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    web && is_like(pattern, host)
}

/// Whether a text is like a pattern: `*` stands for any characters, `?` for one. Takes no longer than the product of
/// their lengths.
fn is_like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while seen < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                back = Some((at, seen));
                at += 1;
            }
            Some(b'?') => (at, seen) = (at + 1, seen + 1),
            Some(byte) if *byte == text[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match &mut back {
                Some((star, from)) => {
                    *from += 1;
                    (at, seen) = (*star + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let listed = [
            "https://app.example.org",
            "HTTPS://Shop.Example.org:443/",
            "http://localhost:3000",
            "https://*.preview.example",
            "*.staging.example",
            "http://10.0.0.?:8080",
            "myapp://",
            "exp://192.168.0.1:8081",
            "capacitor://localhost",
        ];
        Origins::new("https://id.example.org", &listed.map(str::to_owned))
    }

    #[test]
    fn whoever_calls_with_cookies_is_listed_word_for_word() {
        let origins = origins();
        for trusted in [
            "https://id.example.org",
            "https://app.example.org",
            "https://APP.example.org:443",
            "https://shop.example.org",
            "http://localhost:3000",
            "capacitor://localhost",
        ] {
            assert!(origins.trusts(trusted), "{trusted}");
        }
        for stranger in [
            "null",
            "",
            "*",
            "https://a.preview.example",
            "https://a.staging.example",
            "http://10.0.0.1:8080",
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://app.example.org.evil.example",
            "https://evil.example/https://app.example.org",
            "http://localhost:3001",
            "http://id.example.org",
        ] {
            assert!(!origins.trusts(stranger), "{stranger}");
        }
    }

    #[test]
    fn browsers_are_sent_to_paths_of_ours_and_to_trusted_origins() {
        let origins = origins();
        for home in [
            "/",
            "/dashboard?x=1&y=//z#w",
            "/a/../b",
            "https://id.example.org/x",
            "https://app.example.org/welcome?a=b",
            "https://app.example.org",
            "https://branch-7.preview.example/x",
            "https://x.staging.example/",
            "http://x.staging.example/",
            "http://10.0.0.7:8080/x",
            "myapp://anywhere/at/all",
            "exp://192.168.0.1:8081/--/",
        ] {
            assert!(origins.leads_home(home), "{home}");
        }
        for away in [
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/%2fevil.example",
            "/%5Cevil.example",
            "/x/%2F%2fevil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            " /x",
            "/x y",
            "x",
            "?x",
            "",
            "https:evil.example",
            "https:/evil.example",
            "https:///evil.example",
            "https://evil.example",
            "https://app.example.org@evil.example/",
            "https://app.example.org:x@evil.example/",
            "https://user@app.example.org/",
            "https://app.example.org.evil.example/",
            "https://evil.example/?https://app.example.org",
            "https://evil.example#.preview.example",
            "https://evil.example/.preview.example",
            "https://preview.example/",
            "http://a.preview.example/",
            "http://10.0.0.77:8080/",
            "exp://192.168.0.2:8081/",
            "javascript:alert(1)",
            "JavaScript://app.example.org/%0aalert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "blob:https://app.example.org/x",
            "file:///etc/passwd",
            "mailto:a@example.org",
            "other://x",
        ] {
            assert!(!origins.leads_home(away), "{away}");
        }
    }

    #[test]
    fn patterns_cover_a_whole_text() {
        for (pattern, text, like) in [
            ("*", "", true),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbY", false),
            ("?", "", false),
            ("a?", "ab", true),
            ("a", "ab", false),
            ("*a", "aab", false),
            ("**a**", "a", true),
        ] {
            assert_eq!(is_like(pattern, text), like, "{pattern} {text}");
        }
    }
}
