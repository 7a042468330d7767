//! The directories of the private PostgreSQL, whom they belong to, and how they are made.
//!
//! ```text
//! .signet/postgres/           0755, so that the server's user gets through
//!   starting … users          locked files
//!   cluster/                  the data
//!   cluster.new/              data in the making; renamed when complete
//!   socket/                   0700
//!   server.log                what PostgreSQL says, without statements and values
//! ```

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::EmbeddedError;
use super::binaries::Binaries;
use crate::domain::secret::Secret;

/// Where root's data go when PostgreSQL's user cannot reach the configured directory.
const ROOTS_PLACE: &str = "/var/lib/signet/postgres";

/// The most bytes of a socket's path that every Unix takes.
const SOCKET_PATH_LIMIT: usize = 100;

/// What the server needs to be small and discreet. Durability is PostgreSQL's own default. The last three
/// keep statements and values, which may be personal, out of its log.
const CONFIGURATION: &str = "
# Written by Signet when it made this cluster. Yours to change.
shared_buffers = 32MB
max_connections = 50
max_wal_size = 256MB
maintenance_work_mem = 32MB
max_wal_senders = 2
max_worker_processes = 4
max_parallel_workers_per_gather = 0
autovacuum_max_workers = 2
jit = off
idle_in_transaction_session_timeout = 60s
timezone = 'UTC'
log_timezone = 'UTC'
log_min_messages = warning
log_error_verbosity = terse
log_min_error_statement = panic
log_parameter_max_length_on_error = 0
";

/// The user that PostgreSQL runs as when Signet runs as root.
#[derive(Debug, Clone, Copy)]
struct Servant {
    uid: u32,
    gid: u32,
}

/// One private PostgreSQL on disk.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    root: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    servant: Option<Servant>,
}

impl Cluster {
    /// Finds the directories' places, and makes the outer one.
    pub(super) fn locate(data_dir: &Path) -> Result<Self, EmbeddedError> {
        // Absolute, since PostgreSQL runs in another directory; and canonical, since two ways to one place
        // must find the same locks and the same socket.
        let mut root = std::path::absolute(data_dir).map_err(EmbeddedError::file(data_dir))?;
        let mut servant = None;
        if is_root() {
            let chosen = match fs::metadata(root.join("cluster")) {
                // Whoever made the data goes on with them.
                Ok(data) if data.uid() != 0 => Servant {
                    uid: data.uid(),
                    gid: data.gid(),
                },
                _ => Servant::find()?,
            };
            if !chosen.reaches(&root) {
                tracing::info!(
                    configured = %root.display(),
                    used = ROOTS_PLACE,
                    "PostgreSQL's user cannot reach the data directory"
                );
                root = PathBuf::from(ROOTS_PLACE);
            }
            servant = Some(chosen);
        }
        if !root.exists() {
            fs::create_dir_all(&root).map_err(EmbeddedError::file(&root))?;
            // Whatever the umask: PostgreSQL's user must get through.
            fs::set_permissions(&root, fs::Permissions::from_mode(0o755))
                .map_err(EmbeddedError::file(&root))?;
        }
        let root = root.canonicalize().map_err(EmbeddedError::file(&root))?;
        let mut socket = root.join("socket");
        if socket.as_os_str().len() > SOCKET_PATH_LIMIT - "/.s.PGSQL.5432.lock".len() {
            let name = Sha256::digest(root.as_os_str().as_encoded_bytes());
            socket = PathBuf::from(format!(
                "/tmp/signet-{:02x}{:02x}{:02x}{:02x}",
                name[0], name[1], name[2], name[3]
            ));
        }
        Ok(Self {
            data: root.join("cluster"),
            root,
            socket,
            servant,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn lock_file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(super) fn log_file(&self) -> PathBuf {
        self.root.join("server.log")
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The URL of the database. There is no password: the kernel tells PostgreSQL who connects.
    pub(super) fn url(&self) -> Secret {
        let socket = self.socket.to_string_lossy();
        Secret::new(format!(
            "postgres:///signet?host={}&user=signet",
            utf8_percent_encode(&socket, NON_ALPHANUMERIC)
        ))
    }

    /// The release that made the data; `None` if there are none yet.
    pub(super) fn major(&self) -> Result<Option<u32>, EmbeddedError> {
        let path = self.data.join("PG_VERSION");
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(EmbeddedError::file(path)(error)),
        }
    }

    /// One of PostgreSQL's programs, run as the user that owns the data.
    pub(super) fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        // Not from where Signet was started: the server's user may not be allowed there.
        command.current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C");
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("PG") {
                command.env_remove(variable);
            }
        }
        if let Some(Servant { uid, gid }) = self.servant {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes the data unless they are there. An interruption leaves nothing that looks complete.
    pub(super) fn create(&self, binaries: &Binaries) -> Result<(), EmbeddedError> {
        if self.data.join("PG_VERSION").exists() {
            return Ok(());
        }
        tracing::info!(data = %self.data.display(), version = binaries.version(), "making a private PostgreSQL");
        let new = self.root.join("cluster.new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(EmbeddedError::file(&new))?;
        }
        self.make_private(&new)?;
        let mut initdb = self.command(binaries.program("initdb"));
        initdb
            .args([
                "--username=signet",
                "--encoding=UTF8",
                "--locale=C",
                "--data-checksums",
            ])
            .args([
                "--auth-local=peer",
                "--auth-host=reject",
                "--no-instructions",
                "--pgdata",
            ])
            .arg(&new);
        finish("initdb", &mut initdb, "")?;
        append(&new.join("postgresql.conf"), CONFIGURATION)?;
        write(&new.join("pg_hba.conf"), "local all all peer map=signet\n")?;
        let mut users = vec!["root".to_owned(), user_name()?];
        users.dedup();
        let map: String = users
            .iter()
            .map(|user| format!("signet \"{user}\" signet\n"))
            .collect();
        write(&new.join("pg_ident.conf"), &map)?;
        let mut single = self.command(binaries.program("postgres"));
        single.arg("--single").arg("-D").arg(&new).arg("postgres");
        finish("postgres", &mut single, "CREATE DATABASE signet\n")?;
        fs::rename(&new, &self.data).map_err(EmbeddedError::file(&self.data))?;
        File::open(&self.root)
            .and_then(|root| root.sync_all())
            .map_err(EmbeddedError::file(&self.root))
    }

    /// Makes the socket's directory, and clears away what a dead server left there: the number of its
    /// process may be another's by now, and PostgreSQL would wait for that one to end.
    pub(super) fn clear_socket(&self) -> Result<(), EmbeddedError> {
        self.make_private(&self.socket)?;
        for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
            let path = self.socket.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(EmbeddedError::file(path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A directory for PostgreSQL's user alone. One that is there already is used only if it is just that:
    /// in a place where everyone may write, someone else may have made it.
    fn make_private(&self, path: &Path) -> Result<(), EmbeddedError> {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {
                if let Some(Servant { uid, gid }) = self.servant {
                    chown(path, Some(uid), Some(gid)).map_err(EmbeddedError::file(path))?;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(EmbeddedError::file(path)(error)),
        }
        let metadata = fs::symlink_metadata(path).map_err(EmbeddedError::file(path))?;
        let owner = self.servant.map_or_else(effective_user, |servant| servant.uid);
        if metadata.is_dir() && metadata.uid() == owner && metadata.permissions().mode() & 0o077 == 0 {
            Ok(())
        } else {
            Err(EmbeddedError::NotPrivate(path.to_owned()))
        }
    }
}

impl Servant {
    fn find() -> Result<Self, EmbeddedError> {
        for name in ["signet", "postgres"] {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]), id(&["-g", name]))
                && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
            {
                return Ok(Self { uid, gid });
            }
        }
        Err(EmbeddedError::NoServant)
    }

    /// Whether this user gets to `path`, as far as it exists: what is missing will be made passable.
    fn reaches(self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|ancestor| {
            fs::metadata(ancestor).map_or(true, |metadata| {
                let bit = if metadata.uid() == self.uid {
                    0o100
                } else if metadata.gid() == self.gid {
                    0o010
                } else {
                    0o001
                };
                metadata.permissions().mode() & bit != 0
            })
        })
    }
}

fn is_root() -> bool {
    effective_user() == 0
}

fn effective_user() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

fn user_name() -> Result<String, EmbeddedError> {
    id(&["-un"]).ok_or_else(|| EmbeddedError::Program {
        program: "id",
        said: "the user that Signet runs as has no name".to_owned(),
    })
}

fn id(arguments: &[&str]) -> Option<String> {
    let output = Command::new("id")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

/// Runs `command` to its end, with `input` on its standard input.
fn finish(program: &'static str, command: &mut Command, input: &str) -> Result<(), EmbeddedError> {
    let failed = |said: String| EmbeddedError::Program { program, said };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut standard_input = child.stdin.take().expect("it was asked for");
    // A program that ends without reading says why on its standard error.
    let _ = standard_input.write_all(input.as_bytes());
    drop(standard_input);
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn write(path: &Path, text: &str) -> Result<(), EmbeddedError> {
    fs::write(path, text).map_err(EmbeddedError::file(path))
}

fn append(path: &Path, text: &str) -> Result<(), EmbeddedError> {
    File::options()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(EmbeddedError::file(path))
}
