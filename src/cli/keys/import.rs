//! `signet keys import`.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::algorithm;
use super::list::announced;
use crate::cli::{CommandError, Shell};
use crate::flows::keys::transfer;
use crate::jose::key_file::read_private_key;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::server;

/// Far more than the largest key.
const MAX_FILE: u64 = 64 * 1024;

/// Which key.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The private key, unencrypted: PKCS#8 in PEM, or a JWK. `-` is the standard input.
    file: PathBuf,
    /// The name that its tokens have; the JWK's, or the thumbprint, if it is not given.
    #[arg(long, allow_hyphen_values = true)]
    kid: Option<String>,
    /// What it signs with; the JWK's, or the usual algorithm for its kind, if it is not given.
    #[arg(long, value_name = "ALG", value_parser = algorithm)]
    alg: Option<SigningAlgorithm>,
    /// Since when the verifiers of this issuer's tokens know it. Now if it is not given: then it waits for its gate.
    #[arg(long, value_name = "TIME")]
    published_at: Option<DateTime<Utc>>,
}

/// Announces the key.
pub async fn run(shell: &Shell, options: Options) -> Result<(), CommandError> {
    let text = read(&options.file)
        .map_err(|error| CommandError::caused("unreadable", &error).about(options.file.display()))?;
    let key = read_private_key(&text, options.alg, options.kid)
        .map_err(|error| CommandError::caused("invalid_key", &error).about(options.file.display()))?;
    let listed = shell
        .with_database(async |place| {
            let masters = place.ensure_first_keys().await?;
            let settings = server::key_settings(&place.config);
            let now = place.now();
            let published_at = options.published_at.unwrap_or(now);
            transfer::import(&place.db, &masters, &settings, &key, published_at, now).await?;
            place.rotation(&masters, &settings).advance().await?;
            announced(place, &key.public_jwk.kid).await
        })
        .await?;
    shell.output.one(&listed)
}

fn read(path: &PathBuf) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::with_capacity(8 * 1024));
    if path.as_os_str() == "-" {
        std::io::stdin().take(MAX_FILE).read_to_end(&mut text)?;
    } else {
        File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    }
    Ok(text)
}
