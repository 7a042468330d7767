//! The postmaster: PostgreSQL's first process. Started, adopted, watched over, stopped.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::{EmbeddedError, lock};
use crate::storage::database_url::DatabaseUrl;

/// How long a PostgreSQL that runs may take until it accepts connections: it may have much to recover.
const RECOVERY: Duration = Duration::from_mins(5);
/// How often it is tried to start one that ends at once: the processes of one that was killed may be ending.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);
/// How long a clean stop may take before it becomes an immediate one.
const STOPPING: Duration = Duration::from_secs(30);
/// The log is started anew beyond this size, in bytes.
const LOG_LIMIT: u64 = 10 << 20;

/// How long a postmaster that we start is to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// As long as this process: when it dies in whatever way, the postmaster shuts down (on Linux; elsewhere
    /// it goes on, and the next start adopts it). Started again if it dies before.
    Server,
    /// Until the last of its users stops it: a server may have come to depend on it.
    Command,
}

/// A running postmaster, ours or adopted, with the thread that watches over it.
#[derive(Debug)]
pub(super) struct Postmaster {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The process number; 0 while there is none.
    pid: AtomicI32,
    /// No postmaster is to be started any more.
    stopping: AtomicBool,
    /// The first attempts to start have failed for good.
    gave_up: AtomicBool,
}

impl Postmaster {
    /// Adopts the postmaster that runs on `cluster`, or starts one, and waits until it accepts connections.
    pub(super) async fn run(
        cluster: &Cluster,
        binaries: &Binaries,
        lifetime: Lifetime,
        url: &DatabaseUrl,
    ) -> Result<Self, EmbeddedError> {
        let shared = Arc::new(Shared::default());
        let watcher = Watcher {
            cluster: cluster.clone(),
            binaries: binaries.clone(),
            lifetime,
            shared: Arc::clone(&shared),
        };
        // The thread must live as long as we want the postmaster to: its death is what the kernel reports.
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || watcher.watch())
            .map_err(EmbeddedError::file(cluster.data()))?;
        let postmaster = Self {
            shared,
            thread: Some(thread),
        };
        match postmaster.until_ready(cluster, url).await {
            Ok(()) => Ok(postmaster),
            Err(error) => {
                tokio::task::spawn_blocking(move || postmaster.stop())
                    .await
                    .expect("stopping does not panic");
                Err(error)
            }
        }
    }

    async fn until_ready(&self, cluster: &Cluster, url: &DatabaseUrl) -> Result<(), EmbeddedError> {
        let deadline = Instant::now() + RECOVERY;
        loop {
            let said = match url.connect().await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if self.shared.gave_up.load(Ordering::SeqCst) {
                return Err(EmbeddedError::Program {
                    program: "postgres",
                    said: last_words(&cluster.log_file()),
                });
            }
            // No socket yet, or "starting up" and "shutting down"; anything else will not change.
            let passing = said
                .code()
                .is_none_or(|code| *code == SqlState::CANNOT_CONNECT_NOW);
            if !passing || Instant::now() > deadline {
                return Err(EmbeddedError::Silent {
                    data: cluster.data().to_owned(),
                    source: Some(said),
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops it cleanly and waits for its end: sessions are cut, transactions rolled back, all is on disk.
    pub(super) fn stop(mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let Some(thread) = self.thread.take() else { return };
        let began = Instant::now();
        let mut told = None;
        while !thread.is_finished() {
            let pid = self.shared.pid.load(Ordering::SeqCst);
            let how = if began.elapsed() < STOPPING {
                libc::SIGINT
            } else {
                libc::SIGQUIT
            };
            // Repeated: a postmaster that has just been started may not have its handlers yet.
            if pid != 0 && told.is_none_or(|told: Instant| told.elapsed() > Duration::from_secs(1)) {
                signal(pid, how);
                told = Some(Instant::now());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Leaves it running for others.
    pub(super) fn leave(mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        drop(self.thread.take());
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        // Dropped without a word, as on the way out of a panic: whoever else uses it has a server of theirs.
        if self.thread.is_some() {
            self.shared.stopping.store(true, Ordering::SeqCst);
            let pid = self.shared.pid.load(Ordering::SeqCst);
            if pid != 0 {
                signal(pid, libc::SIGINT);
            }
        }
    }
}

struct Watcher {
    cluster: Cluster,
    binaries: Binaries,
    lifetime: Lifetime,
    shared: Arc<Shared>,
}

impl Watcher {
    /// The thread: one postmaster after the other.
    fn watch(&self) {
        let mut failures = 0;
        while !self.stopping() {
            let began = Instant::now();
            if let Err(error) = self.run_one() {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "PostgreSQL cannot be started"
                );
            }
            self.shared.pid.store(0, Ordering::SeqCst);
            if self.stopping() {
                return;
            }
            failures = if began.elapsed() > Duration::from_secs(10) {
                0
            } else {
                failures + 1
            };
            if failures >= ATTEMPTS {
                self.shared.gave_up.store(true, Ordering::SeqCst);
                if self.lifetime == Lifetime::Command {
                    return;
                }
            }
            if failures <= 1 {
                tracing::warn!("the private PostgreSQL ended; starting it again");
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::SeqCst)
    }

    /// Follows the postmaster that runs, or starts one, and returns at its end.
    fn run_one(&self) -> Result<(), EmbeddedError> {
        // Held until there is a postmaster: another process that saw none, and cleared the socket away, would
        // make the new one unreachable.
        let spawning = lock(&self.cluster.lock_file("spawning"))?;
        if let Some(pid) = running(&self.cluster) {
            drop(spawning);
            self.shared.pid.store(pid, Ordering::SeqCst);
            while running(&self.cluster) == Some(pid) {
                std::thread::sleep(Duration::from_millis(100));
            }
            return Ok(());
        }
        let mut child = self.start()?;
        let pid = i32::try_from(child.id()).expect("process numbers are small");
        self.shared.pid.store(pid, Ordering::SeqCst);
        while running(&self.cluster) != Some(pid) && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(spawning);
        // Fails only if someone else has collected the child, and then it has ended too.
        let _ = child.wait();
        Ok(())
    }

    fn start(&self) -> Result<Child, EmbeddedError> {
        self.cluster.clear_socket()?;
        let log_file = self.cluster.log_file();
        let anew = fs::metadata(&log_file).is_ok_and(|log| log.len() > LOG_LIMIT);
        let log = File::options()
            .create(true)
            .append(!anew)
            .truncate(anew)
            .write(true)
            .open(&log_file)
            .map_err(EmbeddedError::file(&log_file))?;
        let again = log.try_clone().map_err(EmbeddedError::file(&log_file))?;
        let mut command = self.cluster.command(self.binaries.program("postgres"));
        command
            .arg("-D")
            .arg(self.cluster.data())
            .arg("-k")
            .arg(self.cluster.socket())
            .args(["-c", "listen_addresses=", "-p", "5432"])
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again);
        detach(&mut command, self.lifetime);
        command
            .spawn()
            .map_err(EmbeddedError::file(self.binaries.program("postgres")))
    }
}

/// The postmaster of `cluster`, if one is alive.
fn running(cluster: &Cluster) -> Option<i32> {
    let file = cluster.data().join("postmaster.pid");
    let pid: i32 = fs::read_to_string(&file)
        .ok()?
        .lines()
        .next()?
        .trim()
        .parse()
        .ok()?;
    if !is_alive(pid) {
        return None;
    }
    // After a power cut, or in a new container, the number may belong to anyone. A postmaster works in its
    // data directory. Where the system does not tell, the number is believed, as PostgreSQL itself does.
    match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(directory) if directory != cluster.data() => {
            let _ = fs::remove_file(file);
            None
        }
        _ => Some(pid),
    }
}

fn is_alive(pid: i32) -> bool {
    // A zombie is dead, though kill finds it: in a container nobody may ever collect it.
    if let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        return !status
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'));
    }
    pid > 0 && signal(pid, 0)
}

/// Sends a signal; 0 only asks. Whether there was someone to send it to.
fn signal(pid: i32, number: i32) -> bool {
    // SAFETY: kill takes two integers and touches no memory of ours; `pid` is positive, so it names one process.
    let sent = unsafe { libc::kill(pid, number) } == 0;
    sent || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Takes the postmaster out of the terminal's reach, so that ^C comes to Signet alone, which then stops it
/// in order; and ties a server's postmaster to the life of the thread that starts it.
fn detach(command: &mut Command, lifetime: Lifetime) {
    let parent = i32::try_from(std::process::id()).expect("process numbers are small");
    let prepare = move || {
        // SAFETY: setsid takes nothing; a new process that leads no group cannot be refused.
        unsafe { libc::setsid() };
        if lifetime == Lifetime::Server {
            die_with(parent)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe calls are made (setsid, prctl, getppid), and nothing is allocated.
    unsafe { command.pre_exec(prepare) };
}

/// The standard library has changed the user by now; before that, the change would have undone this.
#[cfg(target_os = "linux")]
fn die_with(parent: i32) -> std::io::Result<()> {
    // SAFETY: this option of prctl takes one integer.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: getppid has no preconditions and cannot fail.
    if unsafe { libc::getppid() } != parent {
        return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_parent: i32) -> std::io::Result<()> {
    Ok(())
}

/// The end of the log, for a person who wants to know why.
fn last_words(log: &Path) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}
