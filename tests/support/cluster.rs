//! One private PostgreSQL for all test processes of this checkout: `cargo test` runs all tests in one
//! process, nextest each in its own.
//!
//! The first process that needs the server starts a *keeper*: this same binary, told by a variable to do
//! nothing but start PostgreSQL, watch over it and remove it again once no test has used it for a while.
//! Everything is agreed through three locked files, so that nothing is left behind when a process is killed:
//!
//! - `start`: held while someone starts or removes the server;
//! - `users`: held shared by every test process until it ends; the keeper asks for it exclusively;
//! - `keeper`: held by the keeper for life, so whoever can lock it knows that there is none.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// How long the server outlives its last user: nextest leaves gaps between processes, people between runs.
const LINGER: Duration = Duration::from_secs(30);
const KEEPER: &str = "SIGNET_TEST_KEEPER";

/// The running server.
pub struct Cluster {
    socket: PathBuf,
    _user: File,
}

impl Cluster {
    /// The server of this checkout, started if it is not running.
    pub fn shared() -> &'static Self {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        CLUSTER.get_or_init(|| Self::attach(&home()))
    }

    /// The directory of the server's Unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The URL of a database; its user may do everything. On a machine with other work a connection takes its time.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres:///{database}?host={}&user=signet&connect_timeout=10",
            self.socket.display()
        )
    }

    /// A lock among the tests of this checkout, held until the file is dropped.
    pub fn lock(&self, name: &str) -> File {
        let file = open(&home().join(name));
        file.lock().expect("a lock file can be locked");
        file
    }

    fn attach(home: &Path) -> Self {
        fs::create_dir_all(home).expect("the temporary directory is writable");
        let starting = open(&home.join("start"));
        starting.lock().expect("a lock file can be locked");
        let user = open(&home.join("users"));
        user.lock_shared().expect("a lock file can be locked");
        user.set_modified(now()).expect("our own file");
        await_keeper(home);
        Self {
            socket: home.join("socket"),
            _user: user,
        }
    }
}

/// Returns once there is a keeper and its server is ready. The caller holds `start`.
fn await_keeper(home: &Path) {
    let mut started: Option<Child> = None;
    loop {
        let kept = open(&home.join("keeper")).try_lock().is_err();
        if kept && home.join("ready").exists() {
            return;
        }
        match &mut started {
            Some(keeper) => {
                if let Some(status) = keeper.try_wait().expect("our own child") {
                    let log = fs::read_to_string(home.join("keeper.log")).unwrap_or_default();
                    panic!("PostgreSQL for the tests did not start ({status}): {log}");
                }
            }
            None if !kept => started = Some(start_keeper(home)),
            // Whoever started it was killed; it will be ready soon, or end.
            None => {}
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn start_keeper(home: &Path) -> Child {
    let _ = fs::remove_file(home.join("ready"));
    let log = File::create(home.join("keeper.log")).expect("our own directory");
    Command::new(std::env::current_exe().expect("a test knows its binary"))
        .args(["--ignored", "--exact", "support::cluster::keeper", "--nocapture"])
        .env(KEEPER, home)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file can be duplicated"))
        .stderr(log)
        // Out of reach of the terminal's ^C and of nextest, which ends a test's whole process group.
        .process_group(0)
        .spawn()
        .expect("a test binary can run itself")
}

/// Not a test: the process that owns the server.
#[test]
#[ignore = "started by the first test that needs a database"]
fn keeper() {
    let Some(home) = std::env::var_os(KEEPER).map(PathBuf::from) else {
        return;
    };
    let alive = open(&home.join("keeper"));
    alive.lock().expect("a lock file can be locked");
    let mut server = start_server(&home);
    File::create(home.join("ready")).expect("our own directory");
    let users = open(&home.join("users"));
    let starting = open(&home.join("start"));
    loop {
        users.lock().expect("a lock file can be locked");
        users.unlock().expect("a lock file can be unlocked");
        std::thread::sleep(LINGER);
        starting.lock().expect("a lock file can be locked");
        let idle = users
            .metadata()
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|used| now().duration_since(used).is_ok_and(|idle| idle >= LINGER));
        let ended = server.try_wait().is_ok_and(|status| status.is_some());
        if ended || idle && users.try_lock().is_ok() {
            break;
        }
        starting.unlock().expect("a lock file can be unlocked");
    }
    let _ = server.kill();
    let _ = server.wait();
    let _ = fs::remove_dir_all(home.join("data"));
    let _ = fs::remove_dir_all(home.join("socket"));
    let _ = fs::remove_file(home.join("ready"));
    // In this order: who gets `start` must see that there is no keeper.
    drop(alive);
    drop(starting);
}

fn start_server(home: &Path) -> Child {
    let data = home.join("data");
    let socket = home.join("socket");
    end_orphan(&data);
    for directory in [&data, &socket] {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory).expect("the temporary directory is writable");
        give_to_server(directory);
    }
    let status = server_command("initdb")
        .args([
            "--auth=trust",
            "--username=signet",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ])
        .args(["--no-instructions", "--pgdata"])
        .arg(&data)
        .status()
        .expect("initdb runs");
    assert!(status.success(), "initdb failed");
    let mut server = server_command("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(&socket);
    for setting in [
        "listen_addresses=",
        "fsync=off",
        "synchronous_commit=off",
        "full_page_writes=off",
        "autovacuum=off",
        "max_connections=300",
        "shared_buffers=64MB",
        "log_min_messages=fatal",
    ] {
        server.args(["-c", setting]);
    }
    end_with_us(&mut server);
    let mut child = server.spawn().expect("postgres runs");
    while !socket.join(".s.PGSQL.5432").exists() {
        assert!(
            child.try_wait().expect("our own child").is_none(),
            "PostgreSQL ended at once"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Lets the server end when the keeper is killed, where the system can do that; elsewhere it lasts until
/// the next run.
fn end_with_us(server: &mut Command) {
    #[cfg(target_os = "linux")]
    // SAFETY: between fork and exec only prctl is called, which takes integers and allocates nothing.
    unsafe {
        server.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGQUIT);
            Ok(())
        });
    }
    #[cfg(not(target_os = "linux"))]
    let _ = server;
}

/// Ends the server of a keeper that was killed.
fn end_orphan(data: &Path) {
    let Ok(pid_file) = fs::read_to_string(data.join("postmaster.pid")) else {
        return;
    };
    let pid = pid_file.lines().next().unwrap_or_default();
    let is_ours = fs::read_to_string(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| line.contains(data.to_str().expect("a path of ours is UTF-8")));
    if is_ours {
        let _ = Command::new("kill").args(["-QUIT", pid]).status();
        while Path::new("/proc").join(pid).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// One of PostgreSQL's programs, or of those around it, as a user that it is willing to run as.
pub fn server_command(program: &str) -> Command {
    let path = binaries().join(program);
    // What is not PostgreSQL's own, such as PgBouncer, is found by its name.
    let mut command = if path.exists() {
        Command::new(path)
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).current_dir("/");
    if let Some((uid, gid)) = servant() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Makes a file or directory belong to the user of [`server_command`].
pub fn give_to_server(path: &Path) {
    if let Some((uid, gid)) = servant() {
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).expect("root may give files away");
    }
}

/// Where the newest PostgreSQL of this machine has its programs.
fn binaries() -> PathBuf {
    let major = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<_> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .iter()
        .filter_map(|parent| fs::read_dir(parent).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("bin/initdb").is_file())
        .collect();
    found.sort_by_key(|path| major(path));
    found
        .pop()
        .expect("tests need PostgreSQL: apt-get install postgresql, or brew install postgresql@17")
        .join("bin")
}

/// PostgreSQL refuses to run as root; its package made a user for that.
fn servant() -> Option<(u32, u32)> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("every Unix has /etc/passwd");
    let mut fields = users
        .lines()
        .find(|line| line.starts_with("postgres:"))?
        .split(':')
        .skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Short, because a socket's path has 107 bytes at most; outside the checkout, which may lie where the
/// server's user cannot go.
fn home() -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_TARGET_TMPDIR").hash(&mut hasher);
    // SAFETY: geteuid has no preconditions and cannot fail.
    let user = unsafe { libc::geteuid() };
    std::env::temp_dir().join(format!("signet-tests-{user}-{:08x}", hasher.finish() >> 32))
}

fn open(path: &Path) -> File {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the age of a file of the operating system"
)]
fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
