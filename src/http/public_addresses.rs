//! Where the public documents are. Other programs have these addresses by heart.

/// The addresses of the documents that are the same for everybody.
#[derive(Debug, PartialEq, Eq)]
pub struct PublicAddresses {
    /// The JWKS.
    pub jwks: String,
    /// The metadata (OpenID Connect Discovery §4, RFC 8414 §3).
    pub metadata: Vec<String>,
}

impl PublicAddresses {
    /// Those of an issuer whose path is `base`: all below it, and the metadata also in the form with that path behind
    /// (RFC 8414 §3.1).
    pub fn new(base: &str) -> Self {
        let mut metadata = Vec::new();
        for name in ["openid-configuration", "oauth-authorization-server"] {
            metadata.push(format!("{base}/.well-known/{name}"));
            if !base.is_empty() {
                metadata.push(format!("/.well-known/{name}{base}"));
            }
        }
        Self {
            jwks: format!("{base}/.well-known/jwks.json"),
            metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_with_a_path_has_its_metadata_in_both_forms() {
        let plain = PublicAddresses::new("");
        assert_eq!(plain.jwks, "/.well-known/jwks.json");
        assert_eq!(
            plain.metadata,
            [
                "/.well-known/openid-configuration",
                "/.well-known/oauth-authorization-server"
            ]
        );
        let below = PublicAddresses::new("/id");
        assert_eq!(below.jwks, "/id/.well-known/jwks.json");
        assert_eq!(
            below.metadata,
            [
                "/id/.well-known/openid-configuration",
                "/.well-known/openid-configuration/id",
                "/id/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/id",
            ]
        );
    }
}
