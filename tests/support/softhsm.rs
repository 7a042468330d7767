//! SoftHSM: a PKCS#11 token in software, of others' making. Each store is a folder of its own, told through
//! `SOFTHSM2_CONF`. The module reads that variable once a process, so a store belongs to processes, not to
//! tests within one.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The label of the token that a store has.
pub const TOKEN: &str = "signet test";

/// The PIN of its user.
pub const PIN: &str = "hunter2-pin";

/// Where Debian, Fedora, Alpine and Homebrew put the module.
const MODULES: [&str; 5] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// A folder with a token in it, removed with the value.
pub struct TokenStore {
    pub folder: PathBuf,
}

impl TokenStore {
    /// A store with one token.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("signet-hsm-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("tokens")).expect("the temporary directory is writable");
        let configuration = format!("directories.tokendir = {}\n", folder.join("tokens").display());
        std::fs::write(folder.join("softhsm2.conf"), configuration).expect("our own folder");
        let store = Self { folder };
        store.tool(&[
            "--init-token",
            "--free",
            "--label",
            TOKEN,
            "--so-pin",
            "so-pin",
            "--pin",
            PIN,
        ]);
        store
    }

    /// The value of `SOFTHSM2_CONF`.
    pub fn configuration(&self) -> PathBuf {
        self.folder.join("softhsm2.conf")
    }

    /// Runs `softhsm2-util` on this store.
    pub fn tool(&self, arguments: &[&str]) {
        let output = Command::new("softhsm2-util")
            .args(arguments)
            .env("SOFTHSM2_CONF", self.configuration())
            .output()
            .unwrap_or_else(|error| panic!("softhsm2-util: {error}: `.ci/install test` installs it"));
        assert!(output.status.success(), "{output:?}");
    }

    /// Takes the token away, as if it were unplugged.
    pub fn unplug(&self) {
        std::fs::rename(self.folder.join("tokens"), self.folder.join("away")).expect("it is plugged in");
    }

    /// Brings it back.
    pub fn plug_in(&self) {
        std::fs::rename(self.folder.join("away"), self.folder.join("tokens")).expect("it is away");
    }
}

impl Drop for TokenStore {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The module of SoftHSM.
///
/// # Panics
/// When it is not installed: tests are never passed over for want of it.
pub fn module() -> PathBuf {
    MODULES
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .expect("SoftHSM is missing: `.ci/install test` installs what the tests need")
}
