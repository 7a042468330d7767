//! A server of a test's own, ended with the value.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::support::cluster::give_to_server;

/// A directory that belongs to the server's user.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("signet-p{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary directory is writable");
        give_to_server(&path);
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it that only the server's user may read.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.0.join(name);
        fs::write(&path, content).expect("our own directory");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
        give_to_server(&path);
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How PostgreSQL is told to end at once.
pub const POSTGRES: i32 = libc::SIGQUIT;
/// How PgBouncer is. The other signal it may have been told to ignore: whoever is started in the background was.
pub const PGBOUNCER: i32 = libc::SIGTERM;

/// A running program.
pub struct Server {
    child: Child,
    end: i32,
}

impl Server {
    /// Starts `command` and returns once `socket` is there. The signal `end` ends it.
    pub fn start(command: &mut Command, socket: &Path, end: i32) -> Self {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut server = Self { child, end };
        let deadline = Instant::now() + Duration::from_secs(30);
        while !socket.exists() {
            let ended = server.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "{command:?} ended: {ended:?}");
            assert!(Instant::now() < deadline, "{command:?} opens no socket");
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("process numbers are small");
        // SAFETY: kill takes two integers; the child is not collected yet, so the number is still its own.
        unsafe { libc::kill(pid, self.end) };
        let _ = self.child.wait();
    }
}

/// A port of the loopback interface that nobody listens on.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("bound").port()
}
