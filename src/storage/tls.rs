//! The TLS parameters of a database URL, and the connector that obeys them.

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::{X509, store::X509StoreBuilder};
use percent_encoding::percent_decode_str;
use postgres_openssl::MakeTlsConnector;
use tokio_postgres::config::{SslMode, SslNegotiation};

use super::DatabaseUrlError;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    Disable,
    #[default]
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// The parameters that tokio-postgres does not know, or knows in part.
pub(super) struct TlsParameters {
    mode: Mode,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    server_name: bool,
}

impl Default for TlsParameters {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            root: None,
            certificate: None,
            key: None,
            server_name: true,
        }
    }
}

impl TlsParameters {
    /// What tokio-postgres needs to know of the mode.
    pub(super) const fn on_the_wire(&self) -> SslMode {
        match self.mode {
            Mode::Disable => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::VerifyCa | Mode::VerifyFull => SslMode::Require,
        }
    }

    /// Takes `pair` if it is ours.
    pub(super) fn take(&mut self, pair: &str) -> Result<bool, DatabaseUrlError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(value).decode_utf8_lossy();
        match key {
            "sslmode" => {
                self.mode = match &*value {
                    "disable" => Mode::Disable,
                    "allow" | "prefer" => Mode::Prefer,
                    "require" => Mode::Require,
                    "verify-ca" => Mode::VerifyCa,
                    "verify-full" => Mode::VerifyFull,
                    _ => {
                        return Err(DatabaseUrlError::Value {
                            parameter: "sslmode",
                            expected: "disable, allow, prefer, require, verify-ca, verify-full",
                        });
                    }
                };
            }
            "sslrootcert" => self.root = Some(value.into_owned()).filter(|path| !path.is_empty()),
            "sslcert" => self.certificate = Some(value.into_owned()).filter(|path| !path.is_empty()),
            "sslkey" => self.key = Some(value.into_owned()).filter(|path| !path.is_empty()),
            "sslsni" => self.server_name = value != "0",
            // Said by many hosters' URLs; we do neither, and neither is needed.
            "sslcompression" | "gssencmode" if matches!(&*value, "0" | "disable" | "prefer") => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What connections are encrypted with, should they be.
    pub(super) fn connector(
        &self,
        negotiation: SslNegotiation,
    ) -> Result<MakeTlsConnector, DatabaseUrlError> {
        let mut builder = SslConnector::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        // A root certificate turns `require` into `verify-ca`, as libpq documents for old installations.
        let mode = match (self.mode, &self.root) {
            (Mode::Require, Some(_)) => Mode::VerifyCa,
            (mode, _) => mode,
        };
        builder.set_verify(match mode {
            Mode::VerifyCa | Mode::VerifyFull => SslVerifyMode::PEER,
            Mode::Disable | Mode::Prefer | Mode::Require => SslVerifyMode::NONE,
        });
        match (self.root.as_deref(), mode) {
            (Some("system"), Mode::VerifyFull) | (None, Mode::VerifyFull) => {}
            (Some("system"), _) => return Err(DatabaseUrlError::SystemNeedsFull),
            (None, Mode::VerifyCa) => return Err(DatabaseUrlError::NoRootCertificate("verify-ca")),
            // The builder has loaded the system's authorities; here only the named one may vouch.
            (Some(path), Mode::VerifyCa | Mode::VerifyFull) => {
                let mut store = X509StoreBuilder::new()?;
                for certificate in read_certificates(path)? {
                    store.add_cert(certificate)?;
                }
                builder.set_cert_store(store.build());
            }
            (_, Mode::Disable | Mode::Prefer | Mode::Require) => {}
        }
        if let Some(path) = &self.certificate {
            builder
                .set_certificate_chain_file(path)
                .map_err(|source| unusable("sslcert", source))?;
        }
        if let Some(path) = &self.key {
            builder
                .set_private_key_file(path, SslFiletype::PEM)
                .map_err(|source| unusable("sslkey", source))?;
        }
        if negotiation == SslNegotiation::Direct {
            postgres_openssl::set_postgresql_alpn(&mut builder)?;
        }
        let mut connector = MakeTlsConnector::new(builder.build());
        let server_name = self.server_name;
        connector.set_callback(move |connection, _host| {
            connection.set_verify_hostname(mode == Mode::VerifyFull);
            connection.set_use_server_name_indication(server_name);
            Ok(())
        });
        Ok(connector)
    }
}

fn read_certificates(path: &str) -> Result<Vec<X509>, DatabaseUrlError> {
    let pem = std::fs::read(path).map_err(|source| unusable("sslrootcert", source))?;
    let certificates = X509::stack_from_pem(&pem).map_err(|source| unusable("sslrootcert", source))?;
    if certificates.is_empty() {
        return Err(unusable("sslrootcert", "it holds no certificate in PEM form"));
    }
    Ok(certificates)
}

fn unusable(
    parameter: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> DatabaseUrlError {
    DatabaseUrlError::File {
        parameter,
        source: source.into(),
    }
}
