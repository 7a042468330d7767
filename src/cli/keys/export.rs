//! `signet keys export`.

use std::io::Write;

use crate::cli::{CommandError, Shell};
use crate::flows::keys::transfer;
use crate::jose::key_file::{InvalidKeyFile, private_pem, public_pem};
use crate::server;

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// A JSON Web Key (RFC 7517).
    Jwk,
    /// PEM: `SubjectPublicKeyInfo`, or PKCS#8 for a private key.
    Pem,
}

/// Which key, and how much of it.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Which key.
    // Every 64th thumbprint begins with a hyphen.
    #[arg(allow_hyphen_values = true)]
    kid: String,
    /// The private key too: whoever has it can forge tokens of this issuer.
    #[arg(long)]
    private: bool,
    /// How it is written.
    #[arg(long = "as", value_enum, default_value_t = Form::Jwk)]
    form: Form,
}

/// Prints the key.
pub async fn run(shell: &Shell, options: &Options) -> Result<(), CommandError> {
    if options.private {
        shell
            .output
            .confirm("Whoever sees the private key can forge tokens of this issuer. Print it?")?;
    }
    let text = shell
        .with_database(async |place| {
            let key = transfer::find(&place.db, &options.kid).await?;
            if !options.private {
                return Ok(match options.form {
                    Form::Jwk => format!("{:#}\n", key.public_jwk).into_bytes().into(),
                    Form::Pem => {
                        let public = serde_json::from_value(key.public_jwk.clone());
                        let public = public.map_err(|_| invalid(InvalidKeyFile::Form))?;
                        public_pem(&public).map_err(invalid)?.into()
                    }
                });
            }
            let masters = server::master_keys(&place.config.keys)?;
            let jwk = transfer::private_jwk(&masters, &key)?;
            Ok(match options.form {
                Form::Jwk => {
                    let mut named: serde_json::Map<String, serde_json::Value> =
                        serde_json::from_slice(&jwk).map_err(|_| invalid(InvalidKeyFile::Form))?;
                    named.insert("kid".to_owned(), key.kid.into());
                    named.insert("alg".to_owned(), key.algorithm.as_str().into());
                    let text = serde_json::to_vec_pretty(&named);
                    let mut text = text.map_err(|_| invalid(InvalidKeyFile::Form))?;
                    text.push(b'\n');
                    zeroize::Zeroizing::new(text)
                }
                Form::Pem => private_pem(&jwk).map_err(invalid)?,
            })
        })
        .await?;
    let written = std::io::stdout().write_all(&text);
    written.map_err(|error| CommandError::caused("output", &error))
}

fn invalid(error: InvalidKeyFile) -> CommandError {
    CommandError::caused("invalid_key", &error)
}
