//! `[cors]`

use super::reader::Reader;
use url::Url;

/// Which web origins may call the protocol endpoints, beside those of registered redirect URIs.
#[derive(Debug, Clone)]
pub struct Cors {
    /// Exact origins, as browsers send them.
    pub allowed_origins: Vec<String>,
}

impl Cors {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let origins: Vec<Url> = reader.list("cors.allowed_origins");
        let plain = |url: &Url| url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let exact = origins.iter().all(|url| plain(url) && url.username().is_empty());
        reader.check(
            "cors.allowed_origins",
            exact,
            "must be origins without a path, as https://app.example.org",
        );
        Self {
            allowed_origins: origins
                .iter()
                .map(|url| url.origin().ascii_serialization())
                .collect(),
        }
    }
}
