//! Finds an installed PostgreSQL server.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::EmbeddedError;

/// The programs of one release of PostgreSQL.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    directory: PathBuf,
    version: String,
    major: u32,
}

impl Binaries {
    /// The release that made the data in `data`, or the newest one for data to be made.
    pub(super) fn find(
        bin_dir: Option<&Path>,
        wanted: Option<u32>,
        data: &Path,
    ) -> Result<Self, EmbeddedError> {
        let candidates = bin_dir.map_or_else(usual_places, |directory| vec![directory.to_owned()]);
        let mut found: Vec<Self> = Vec::new();
        for directory in candidates {
            let Ok(directory) = directory.canonicalize() else {
                continue;
            };
            if found.iter().all(|known| known.directory != directory) {
                found.extend(Self::at(directory));
            }
        }
        if found.is_empty() {
            return Err(EmbeddedError::NoBinaries {
                searched: bin_dir.map_or_else(
                    || "the usual places and PATH".to_owned(),
                    |directory| directory.display().to_string(),
                ),
                hint: install_hint(),
            });
        }
        let Some(wanted) = wanted else {
            // The first of equals: the order of the places is the order of trust.
            let newest = found.iter().map(|binaries| binaries.major).max();
            return Ok(found
                .into_iter()
                .find(|binaries| Some(binaries.major) == newest)
                .expect("the newest is one of them"));
        };
        let majors = found
            .iter()
            .map(|binaries| binaries.major.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        found
            .into_iter()
            .find(|binaries| binaries.major == wanted)
            .ok_or_else(|| EmbeddedError::WrongMajor {
                data: data.to_owned(),
                wanted,
                found: majors,
                hint: install_hint(),
            })
    }

    fn at(directory: PathBuf) -> Option<Self> {
        if !directory.join("initdb").is_file() {
            return None;
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        let (version, major) = parse_version(str::from_utf8(&output.stdout).ok()?)?;
        Some(Self {
            directory,
            version: version.to_owned(),
            major,
        })
    }

    /// One of the programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The release, such as `17.2`.
    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`: `15.18` and 15. Releases in the making say `18beta1`.
fn parse_version(text: &str) -> Option<(&str, u32)> {
    let version = text.split_once("(PostgreSQL) ")?.1.split_whitespace().next()?;
    let digits = version
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(version.len());
    Some((version, version[..digits].parse().ok()?))
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
        ("/Applications/Postgres.app/Contents/Versions", ""),
    ] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
        let mut releases: Vec<_> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path().join("bin"))
            .collect();
        releases.sort();
        places.extend(releases.into_iter().rev());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    places.extend(std::env::split_paths(&path));
    places.retain(|place| place.join("postgres").is_file());
    places
}

/// The exact command for this machine.
fn install_hint() -> &'static str {
    if cfg!(target_os = "macos") {
        "install it: brew install postgresql@17"
    } else if Path::new("/etc/debian_version").exists() {
        "install it: apt-get install postgresql"
    } else if Path::new("/etc/redhat-release").exists() {
        "install it: dnf install postgresql-server"
    } else if Path::new("/etc/alpine-release").exists() {
        "install it: apk add postgresql"
    } else {
        "install it: apt-get install postgresql (or your system's package of that server)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_program_prints_them() {
        assert_eq!(
            parse_version("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(("15.18", 15))
        );
        assert_eq!(
            parse_version("postgres (PostgreSQL) 18beta1\n"),
            Some(("18beta1", 18))
        );
        assert_eq!(parse_version("postgres 9\n"), None);
    }

    #[test]
    fn a_directory_without_a_server_is_an_error_that_names_the_command() {
        let error = Binaries::find(Some(Path::new("/nonexistent")), None, Path::new("/d"))
            .expect_err("nothing there");
        let told = error.to_string();
        assert!(
            told.contains("/nonexistent") && told.contains("install postgresql"),
            "{told}"
        );
    }

    #[test]
    fn data_of_a_release_that_is_not_there_are_not_touched() {
        let error = Binaries::find(None, Some(7), Path::new("/d")).expect_err("7 is no more");
        assert!(
            matches!(error, EmbeddedError::WrongMajor { wanted: 7, .. }),
            "{error:?}"
        );
    }
}
