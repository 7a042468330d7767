//! The file that holds the master key.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::wrap::{InvalidMasterKey, MasterKey};
use crate::random::Random;

/// Far more than a key with its white space; the file of a typo may be a large one.
const MAX_FILE: u64 = 4096;

/// Reads the master keys: usually one, and several, with white space between them, while keys are encrypted anew.
/// A file that others may read is worth a warning, no error: containers mount secrets so.
///
/// # Errors
/// When the file cannot be read, or holds anything but master keys.
pub fn read_master_keys(path: &Path) -> Result<Vec<MasterKey>, MasterKeyFileError> {
    let unreadable = |source| MasterKeyFileError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{:o}", mode & 0o777),
            "the master key's file can be read by others; chmod 600 closes it"
        );
    }
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(unreadable)?;
    MasterKey::parse_all(&text).map_err(|source| MasterKeyFileError::Invalid {
        path: path.to_owned(),
        source,
    })
}

/// Makes a new master key in a new file with mode 0600. An existing file is never touched.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn create_master_key(path: &Path, random: &dyn Random) -> Result<MasterKey, MasterKeyFileError> {
    let key = MasterKey::generate(random);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(key.expose().as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(|source| MasterKeyFileError::Unwritable {
        path: path.to_owned(),
        source,
    })?;
    Ok(key)
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyFileError {
    /// The file cannot be read.
    #[error("the master key's file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the master key's file {} holds no key", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What a key is.
        source: InvalidMasterKey,
    },
    /// The file cannot be made.
    #[error("the master key's file {} cannot be made", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl MasterKeyFileError {
    /// Whether there is no such file: the only reason to make one.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SystemRandom;

    #[test]
    fn a_key_file_is_made_once_for_its_owner_alone() {
        let mut name = [0; 8];
        SystemRandom.fill(&mut name);
        let path = std::env::temp_dir().join(format!("signet-master-{:x}.key", u64::from_be_bytes(name)));
        assert!(read_master_keys(&path).expect_err("no file").is_missing());
        let made = create_master_key(&path, &SystemRandom).expect("a new file");
        let mode = path.metadata().expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let fingerprints = || -> Vec<_> {
            let keys = read_master_keys(&path).expect("our own file");
            keys.iter().map(MasterKey::fingerprint).collect()
        };
        assert_eq!(fingerprints(), [made.fingerprint()]);

        assert!(
            create_master_key(&path, &SystemRandom).is_err(),
            "an existing key is kept"
        );
        assert_eq!(fingerprints(), [made.fingerprint()]);

        let second = MasterKey::generate(&SystemRandom);
        let mut file = OpenOptions::new().append(true).open(&path).expect("our own file");
        writeln!(file, "{}", &*second.expose()).expect("appended");
        assert_eq!(fingerprints(), [made.fingerprint(), second.fingerprint()]);
        std::fs::remove_file(&path).expect("our own file");
    }
}
