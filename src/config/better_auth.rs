//! `[better_auth]`

use std::time::Duration;

use super::reader::Reader;
use super::setting::words;
use crate::domain::secret::Secret;

/// The Better Auth protocol under `/api/auth`.
#[derive(Debug, Clone)]
pub struct BetterAuth {
    /// Whether it is served.
    pub enabled: bool,
    /// Origins that may call with credentials, and patterns with `*` and `?` that serve redirect targets only.
    pub trusted_origins: Vec<String>,
    /// The secret of a Better Auth database that moves in; `None` is a random one of our own.
    pub secret: Option<Secret>,
    /// What a mailed link does when it is opened.
    pub links: Links,
    /// A use of a session makes its life longer when the last that did so is this long ago.
    pub update_age: Duration,
    /// How long a browser may be believed without the database; zero: never.
    pub cookie_cache_max_age: Duration,
    /// Whether several users may be logged in in one browser.
    pub multi_session: bool,
    /// The `iss` of the JWTs of `/token`; `None` is the issuer's origin.
    pub jwt_issuer: Option<String>,
    /// Their `aud`; `None` is the issuer's origin.
    pub jwt_audience: Option<String>,
    /// Their life.
    pub jwt_ttl: Duration,
    /// What they tell of the user; empty: everything.
    pub jwt_claims: Vec<JwtClaim>,
    /// Whether every answer about a session carries one.
    pub set_auth_jwt: bool,
}

words! {
    /// A member of a user as Better Auth's clients know it.
    JwtClaim: "name, email, emailVerified, image, createdAt, updatedAt or id" {
        /// What people call the user.
        Name = "name",
        /// The address.
        Email = "email",
        /// Whether it was proven.
        EmailVerified = "emailVerified",
        /// The address of a picture.
        Image = "image",
        /// When the account was made.
        CreatedAt = "createdAt",
        /// When it last changed.
        UpdatedAt = "updatedAt",
        /// The id, which `sub` has too.
        Id = "id",
    }
}

words! {
    /// What a mailed link does when it is opened.
    Links: "\"confirm\" or \"direct\"" {
        /// Shows a page whose button acts, so that scanners of mail do not.
        Confirm = "confirm",
        /// Acts at once, in any browser.
        Direct = "direct",
    }
}

impl BetterAuth {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let better_auth = Self {
            enabled: reader.value("better_auth.enabled", "true"),
            trusted_origins: reader.list("better_auth.trusted_origins"),
            secret: reader.secret("better_auth.secret"),
            links: reader.value("better_auth.links", "confirm"),
            update_age: reader.value("better_auth.update_age", "1d"),
            cookie_cache_max_age: reader.value("better_auth.cookie_cache_max_age", "0s"),
            multi_session: reader.value("better_auth.multi_session", "true"),
            jwt_issuer: reader.optional("better_auth.jwt_issuer"),
            jwt_audience: reader.optional("better_auth.jwt_audience"),
            jwt_ttl: reader.value("better_auth.jwt_ttl", "15m"),
            jwt_claims: reader.list("better_auth.jwt_claims"),
            set_auth_jwt: reader.value("better_auth.set_auth_jwt", "true"),
        };
        for (name, value, least, most) in [
            ("update_age", better_auth.update_age, "0s", "400d"),
            (
                "cookie_cache_max_age",
                better_auth.cookie_cache_max_age,
                "0s",
                "1h",
            ),
            ("jwt_ttl", better_auth.jwt_ttl, "1s", "24h"),
        ] {
            let name = format!("better_auth.{name}");
            reader.lasts(&name, value, least, most);
            reader.check(&name, value.subsec_nanos() == 0, "must be whole seconds");
        }
        let origin = |text: &String| text != "null" && !text.contains(char::is_whitespace);
        reader.check(
            "better_auth.trusted_origins",
            better_auth.trusted_origins.iter().all(origin),
            "must be origins or patterns of origins, as https://app.example.org or https://*.example.org",
        );
        better_auth
    }
}
