//! The private PostgreSQL, with real processes that are really killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use signet::domain::secret::Secret;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::embedded::{Embedded, EmbeddedError, EmbeddedSettings};
use signet::storage::pool::{self, PoolSettings};
use signet::storage::{Db, Execute, Statements};

const ROLE: &str = "SIGNET_TEST_EMBEDDED";

/// A directory that everyone can reach, removed with the value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("signet-e{}-{count}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("the temporary directory is writable");
        Self(path)
    }

    fn settings(&self) -> EmbeddedSettings {
        EmbeddedSettings {
            data_dir: self.0.join("postgres"),
            bin_dir: None,
        }
    }

    fn postmaster(&self) -> Option<i32> {
        let file = fs::read_to_string(self.0.join("postgres/cluster/postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }

    /// Returns once no PostgreSQL works here any more.
    async fn until_stopped(&self) {
        tokio::time::timeout(Duration::from_secs(30), async {
            while self.postmaster().is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("PostgreSQL stops");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Some(pid) = self.postmaster() {
            kill(pid, libc::SIGQUIT);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn kill(pid: i32, signal: i32) {
    // SAFETY: kill takes two integers and touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}

fn open(url: &Secret) -> Db {
    pool::open(&PoolSettings {
        url: url.clone(),
        size: 4,
        statements: Statements::Prepared,
    })
    .expect("a URL of ours is understood")
}

async fn run(url: &Secret, statements: &str) {
    let url = DatabaseUrl::parse(url).expect("a URL of ours is understood");
    let client = url.connect().await.expect("connected");
    client.batch_execute(statements).await.expect("done");
}

async fn count(url: &Secret) -> i64 {
    open(url)
        .query("SELECT count(*) FROM kept", &[])
        .await
        .expect("counted")[0]
        .get(0)
}

async fn setting(url: &Secret, name: &str) -> String {
    let client = DatabaseUrl::parse(url)
        .expect("ours")
        .connect()
        .await
        .expect("connected");
    client
        .query_one("SELECT current_setting($1)", &[&name])
        .await
        .expect("told")
        .get(0)
}

#[tokio::test]
async fn a_server_has_a_durable_postgres_of_its_own_and_stops_it() {
    let directory = Directory::new();
    let server = Embedded::serve(&directory.settings()).await.expect("started");
    assert_eq!(setting(server.url(), "listen_addresses").await, "");
    for durable in [
        "fsync",
        "synchronous_commit",
        "full_page_writes",
        "data_checksums",
    ] {
        assert_eq!(setting(server.url(), durable).await, "on", "{durable}");
    }
    let socket = fs::metadata(directory.0.join("postgres/socket")).expect("there");
    assert_eq!(socket.mode() & 0o777, 0o700);
    let refused = Embedded::serve(&directory.settings())
        .await
        .expect_err("one server a directory");
    assert!(matches!(refused, EmbeddedError::AlreadyServing(_)), "{refused:?}");
    run(
        server.url(),
        "CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)",
    )
    .await;

    let command = Embedded::attach(&directory.settings())
        .await
        .expect("a command joins");
    assert_eq!(count(command.url()).await, 1);
    command.stop().await.expect("left");
    assert_eq!(count(server.url()).await, 1, "the server's PostgreSQL goes on");

    let personal = "INSERT INTO kept VALUES (2, 'someone@example.org')";
    run(
        server.url(),
        &format!("ALTER TABLE kept ADD email text UNIQUE; {personal}"),
    )
    .await;
    open(server.url())
        .execute("INSERT INTO kept VALUES (3, 'someone@example.org')", &[])
        .await
        .expect_err("taken");
    let log = fs::read_to_string(directory.0.join("postgres/server.log")).expect("there");
    assert!(
        log.contains("kept_email_key") && !log.contains("example.org"),
        "{log}"
    );

    server.stop().await.expect("stopped");
    assert_eq!(directory.postmaster(), None, "stopped in order");
    let server = Embedded::serve(&directory.settings())
        .await
        .expect("started again");
    assert_eq!(count(server.url()).await, 2);
    server.stop().await.expect("stopped");
}

#[tokio::test]
async fn commands_share_a_postgres_and_a_server_takes_it_over_from_them() {
    let directory = Directory::new();
    let settings = directory.settings();
    let (first, second) = tokio::join!(Embedded::attach(&settings), Embedded::attach(&settings));
    let (first, second) = (first.expect("started"), second.expect("joined"));
    run(first.url(), "CREATE TABLE kept (x int)").await;
    first.stop().await.expect("left");
    assert_eq!(count(second.url()).await, 0);
    let postmaster = directory.postmaster();
    let server = Embedded::serve(&directory.settings()).await.expect("taken over");
    second.stop().await.expect("left");
    assert_eq!(count(server.url()).await, 0);
    assert_eq!(directory.postmaster(), postmaster);
    server.stop().await.expect("stopped");
    assert_eq!(directory.postmaster(), None);
    let alone = Embedded::attach(&directory.settings()).await.expect("started");
    alone.stop().await.expect("the last one stops it");
    assert_eq!(directory.postmaster(), None);
}

#[tokio::test]
async fn a_postgres_that_is_killed_comes_back_with_all_that_was_committed() {
    let directory = Directory::new();
    let server = Embedded::serve(&directory.settings()).await.expect("started");
    let db = open(server.url());
    db.execute("CREATE TABLE kept (x int)", &[])
        .await
        .expect("created");
    for _ in 0..3 {
        let before = count(server.url()).await;
        db.execute("INSERT INTO kept VALUES (1)", &[])
            .await
            .expect("committed");
        kill(directory.postmaster().expect("it runs"), libc::SIGKILL);
        tokio::time::timeout(Duration::from_secs(60), async {
            // The first answer may still come from a process that has not noticed yet.
            while db.execute("INSERT INTO kept VALUES (2)", &[]).await.is_ok() {}
            while let Err(error) = db.ping().await {
                assert!(error.is_unavailable(), "{error:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("PostgreSQL is started again, and the pool finds it");
        assert!(count(server.url()).await > before);
    }
    server.stop().await.expect("stopped");
}

#[tokio::test]
async fn a_killed_server_leaves_a_postgres_that_the_next_one_takes_over_or_recovers() {
    let directory = Directory::new();
    let mut child = role("serve", &directory, None);
    for round in 0..3 {
        let url = until_ready(&mut child);
        let table = if round == 0 {
            "CREATE TABLE kept (x int);"
        } else {
            ""
        };
        run(&url, &format!("{table} INSERT INTO kept VALUES (1)")).await;
        child.kill().expect("killed with -9");
        child.wait().expect("collected");
        // At once, while the old PostgreSQL is on its way down.
        child = role("serve", &directory, None);
    }
    let url = until_ready(&mut child);
    assert_eq!(count(&url).await, 3);
    drop(child.stdin.take());
    assert!(child.wait().expect("ended").success());
    assert_eq!(directory.postmaster(), None, "a clean end stops it");

    let mut child = role("serve", &directory, None);
    until_ready(&mut child);
    child.kill().expect("killed with -9");
    child.wait().expect("collected");
    if cfg!(target_os = "linux") {
        directory.until_stopped().await;
    }
}

#[tokio::test]
async fn a_killed_command_leaves_a_postgres_that_the_next_one_ends() {
    let directory = Directory::new();
    let mut child = role("attach", &directory, None);
    until_ready(&mut child);
    child.kill().expect("killed with -9");
    child.wait().expect("collected");
    let left = directory.postmaster().expect("nobody was there to stop it");
    let command = Embedded::attach(&directory.settings()).await.expect("adopted");
    assert_eq!(directory.postmaster(), Some(left));
    command.stop().await.expect("left");
    directory.until_stopped().await;
}

#[tokio::test]
async fn what_an_interruption_left_behind_is_cleared_away() {
    let directory = Directory::new();
    let root = directory.0.join("postgres");
    fs::create_dir_all(root.join("cluster.new")).expect("made");
    fs::write(root.join("cluster.new/PG_VERSION"), "15").expect("written");
    let server = Embedded::serve(&directory.settings()).await.expect("started");
    server.stop().await.expect("stopped");
    if cfg!(target_os = "linux") {
        // After a power cut the process number in the file may be anyone's, such as ours.
        let stale = format!("{}\n{}\n", std::process::id(), root.join("cluster").display());
        fs::write(root.join("cluster/postmaster.pid"), stale).expect("written");
        let server = Embedded::serve(&directory.settings()).await.expect("started");
        server.stop().await.expect("stopped");
    }
}

#[tokio::test]
async fn a_deep_directory_gets_a_short_socket() {
    let directory = Directory::new();
    let mut settings = directory.settings();
    settings.data_dir = directory.0.join("d".repeat(100)).join("postgres");
    let server = Embedded::serve(&settings).await.expect("started");
    assert_eq!(setting(server.url(), "listen_addresses").await, "");
    let socket = setting(server.url(), "unix_socket_directories").await;
    server.stop().await.expect("stopped");
    fs::remove_dir_all(socket).expect("ours");
}

#[tokio::test]
async fn it_works_as_an_ordinary_user_too() {
    if !is_root() {
        // Then all the other tests have just shown it.
        return;
    }
    let directory = Directory::new();
    let nobody = 65534;
    chown(&directory.0, Some(nobody), Some(nobody)).expect("root may");
    let mut child = role("serve", &directory, Some(nobody));
    let url = until_ready(&mut child);
    let owner = fs::metadata(directory.0.join("postgres/cluster")).expect("made");
    assert_eq!(owner.uid(), nobody);
    // Root's commands join it, and root's server goes on with it as the same user.
    let command = Embedded::attach(&directory.settings()).await.expect("joined");
    run(&url, "CREATE TABLE kept (x int)").await;
    command.stop().await.expect("left");
    drop(child.stdin.take());
    assert!(child.wait().expect("ended").success());
    let server = Embedded::serve(&directory.settings())
        .await
        .expect("started as root");
    assert_eq!(count(server.url()).await, 0);
    server.stop().await.expect("stopped");
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// This binary again, in one of the roles of [`embedded_role`].
fn role(role: &str, directory: &Directory, user: Option<u32>) -> Child {
    let mut binary = std::env::current_exe().expect("a test knows its binary");
    if user.is_some() {
        // The build directory may be closed to others.
        let copy = directory.0.join("test");
        fs::copy(&binary, &copy).expect("copied");
        binary = copy;
    }
    let mut command = Command::new(binary);
    command
        .args([
            "--ignored",
            "--exact",
            "storage::embedded::embedded_role",
            "--nocapture",
        ])
        .env(ROLE, role)
        .env("SIGNET_TEST_DIRECTORY", directory.0.join("postgres"))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    loop {
        match command.spawn() {
            // Another test has just forked, and its child still has the copy open for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            spawned => return spawned.expect("a test binary can run itself"),
        }
    }
}

/// Reads the URL that the role prints when it is ready.
fn until_ready(child: &mut Child) -> Secret {
    let output = child.stdout.as_mut().expect("it was asked for");
    let line = BufReader::new(output)
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("ready ").map(|(_, url)| url.to_owned()));
    Secret::new(line.expect("the role becomes ready"))
}

/// Not a test: a process of its own that uses the directory until its standard input ends.
#[test]
#[ignore = "run by the tests above"]
fn embedded_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let data_dir = std::env::var_os("SIGNET_TEST_DIRECTORY").expect("given with the role");
    let settings = EmbeddedSettings {
        data_dir: Path::new(&data_dir).to_owned(),
        bin_dir: None,
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime.block_on(async {
        let embedded = match role.as_str() {
            "serve" => Embedded::serve(&settings).await,
            _ => Embedded::attach(&settings).await,
        }
        .expect("started");
        println!("ready {}", embedded.url().expose());
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()))
            .await
            .expect("no panic")
            .expect("read");
        embedded.stop().await.expect("stopped");
    });
}
