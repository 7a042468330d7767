//! Where the database is and how it is spoken to: a URL in libpq's form becomes a configuration and a TLS
//! connector.
//!
//! `sslmode` means what it means to libpq:
//!
//! | `sslmode` | encrypted | the server's certificate |
//! |---|---|---|
//! | `disable` | never | – |
//! | `allow`, `prefer` (default) | if the server can | not checked |
//! | `require` | always | not checked; against `sslrootcert` if that is given |
//! | `verify-ca` | always | signed by `sslrootcert`, which must be given |
//! | `verify-full` | always | the same, and made for the host; without `sslrootcert` the system's authorities decide |
//!
//! A Unix socket is never encrypted, whatever the mode. Differences from libpq: no environment variables, no
//! files in the home directory, `allow` tries TLS first, `connect_timeout` is 2 s unless given.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use postgres_openssl::MakeTlsConnector;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config};

use super::DatabaseUrlError;
use super::tls::TlsParameters;
use crate::domain::secret::Secret;

/// A parsed database URL.
#[derive(Clone)]
pub struct DatabaseUrl {
    config: Config,
    tls: MakeTlsConnector,
}

impl DatabaseUrl {
    /// Understands a URL. Reads the certificate files that it names; connects to nothing.
    ///
    /// # Errors
    /// When the URL, or a file that it names, is of no use.
    pub fn parse(url: &Secret) -> Result<Self, DatabaseUrlError> {
        let (base, query) = split(url.expose())?;
        let mut tls = TlsParameters::default();
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            if !tls.take(pair)? {
                // tokio-postgres looks for the end of the password in the whole URL.
                kept.push(pair.replace('@', "%40"));
            }
        }
        let mut config: Config = format!("{base}?{}", kept.join("&"))
            .parse()
            .map_err(DatabaseUrlError::Syntax)?;
        fill_in(&mut config, &kept);
        let local = config
            .get_hosts()
            .iter()
            .all(|host| matches!(host, Host::Unix(_)));
        config.ssl_mode(if local {
            SslMode::Disable
        } else {
            tls.on_the_wire()
        });
        Ok(Self {
            tls: tls.connector(config.get_ssl_negotiation())?,
            config,
        })
    }

    /// Opens one connection outside any pool and lets it run on its own task.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a database connection broke"
                );
            }
        });
        Ok(client)
    }

    /// The same server and user, another database.
    pub fn with_database(mut self, name: &str) -> Self {
        self.config.dbname(name);
        self
    }

    /// Whether what is said to the server may travel unencrypted over a network.
    pub fn may_be_overheard(&self) -> bool {
        self.config.get_ssl_mode() != SslMode::Require
            && self.config.get_hosts().iter().any(|host| match host {
                Host::Tcp(name) => {
                    name != "localhost" && !name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
                }
                Host::Unix(_) => false,
            })
    }

    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    pub(super) const fn tls(&self) -> &MakeTlsConnector {
        &self.tls
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl")
    }
}

/// Everything up to the parameters, and the parameters. A question mark in the password begins none.
fn split(url: &str) -> Result<(&str, &str), DatabaseUrlError> {
    let rest = url
        .strip_prefix("postgres://")
        .or_else(|| url.strip_prefix("postgresql://"))
        .ok_or(DatabaseUrlError::Scheme)?;
    let credentials = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => at,
        _ => 0,
    };
    let start = url.len() - rest.len() + credentials;
    let end = url[start..].find('?').map(|at| start + at);
    Ok(end.map_or((url, ""), |at| (&url[..at], &url[at + 1..])))
}

/// What libpq would assume, and what a server that must notice a dead peer needs.
fn fill_in(config: &mut Config, given: &[String]) {
    let given = |key: &str| given.iter().any(|pair| pair.split('=').next() == Some(key));
    if config.get_hosts().is_empty() {
        let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
        for address in &addresses {
            config.host(address);
        }
        if addresses.is_empty() {
            let debian = Path::new("/var/run/postgresql");
            config.host_path(if debian.is_dir() {
                debian
            } else {
                Path::new("/tmp")
            });
        }
    }
    if config.get_application_name().is_none() {
        config.application_name("signet");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(2));
    }
    if !given("keepalives_idle") {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if !given("keepalives_interval") {
        config.keepalives_interval(Duration::from_secs(5));
    }
    if !given("keepalives_retries") {
        config.keepalives_retries(3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<DatabaseUrl, DatabaseUrlError> {
        DatabaseUrl::parse(&Secret::new(url))
    }

    #[test]
    fn a_hosters_url_is_understood() {
        let url = "postgresql://u:p%40w@ep-x.eu.aws.neon.tech/main?sslmode=require&channel_binding=require";
        let config = parse(url).expect("as Neon prints it").config;
        assert_eq!(config.get_user(), Some("u"));
        assert_eq!(config.get_password(), Some(&b"p@w"[..]));
        assert_eq!(config.get_dbname(), Some("main"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(
            config.get_channel_binding(),
            tokio_postgres::config::ChannelBinding::Require
        );
        assert_eq!(config.get_application_name(), Some("signet"));
    }

    #[test]
    fn a_question_mark_in_the_password_and_an_at_sign_in_a_parameter_are_only_themselves() {
        let config = parse("postgres://u:a?b@db/x?sslmode=disable")
            .expect("parsed")
            .config;
        assert_eq!(config.get_password(), Some(&b"a?b"[..]));
        assert_eq!(config.get_ssl_mode(), SslMode::Disable);
        let config = parse("postgres:///x?application_name=me@home")
            .expect("parsed")
            .config;
        assert_eq!(config.get_application_name(), Some("me@home"));
        assert_eq!(config.get_user(), None);
    }

    #[test]
    fn without_a_host_or_with_a_directory_it_is_the_unix_socket_and_never_tls() {
        for url in [
            "postgres:///x?sslmode=require",
            "postgres://%2Frun%2Fpg/x?sslmode=require",
            "postgres:///x?host=/run/pg&sslmode=require",
        ] {
            let url = parse(url).expect("parsed");
            assert!(matches!(url.config.get_hosts(), [Host::Unix(_)]));
            assert_eq!(url.config.get_ssl_mode(), SslMode::Disable);
            assert!(!url.may_be_overheard());
        }
    }

    #[test]
    fn only_plain_talk_over_a_network_can_be_overheard() {
        for (url, overheard) in [
            ("postgres://db.example/x", true),
            ("postgres://db.example/x?sslmode=disable", true),
            ("postgres://db.example/x?sslmode=require", false),
            ("postgres://db.example/x?sslmode=verify-full", false),
            ("postgres://localhost/x", false),
            ("postgres://127.0.0.1/x", false),
            ("postgres://[::1]/x", false),
        ] {
            assert_eq!(parse(url).expect("parsed").may_be_overheard(), overheard, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_the_password_is_not_told() {
        for url in [
            "mysql://u:hunter2@db/x",
            "host=db password=hunter2",
            "postgres://u:hunter2@db/x?sslmode=verify",
            "postgres://u:hunter2@db/x?sslmode=verify-ca",
            "postgres://u:hunter2@db/x?sslmode=require&sslrootcert=system",
            "postgres://u:hunter2@db/x?sslmode=verify-full&sslrootcert=/nonexistent",
            "postgres://u:hunter2@db/x?pgbouncer=true",
            "postgres://u:hunter2@db:port/x",
        ] {
            let error = parse(url).expect_err(url);
            let mut told = format!("{error:?} {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                told.push_str(&cause.to_string());
                source = cause.source();
            }
            assert!(!told.contains("hunter2"), "{told}");
        }
        assert_eq!(
            format!("{:?}", parse("postgres://u:hunter2@db/x").expect("parsed")),
            "DatabaseUrl"
        );
    }
}
