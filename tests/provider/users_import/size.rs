//! Many users: an import that is killed goes on where it was, and its memory does not grow with the file.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::Home;

const USERS: u32 = 10_000;
/// The most memory that an import may ever have had, in KiB.
const MOST_KIB: u64 = 200 * 1024;

fn line(number: u32) -> String {
    format!(
        "{{\"subject\":\"user|{number}\",\"email\":\"user{number}@example.org\",\"email_verified\":true,\
         \"name\":\"User {number}\",\"password_hash\":\"$2b$10$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.\",\
         \"identities\":[{{\"provider\":\"google\",\"subject\":\"{number}\"}}]}}\n"
    )
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.fold(String::new(), |mut text, number| {
        text.push_str(&line(number));
        text
    })
}

/// The most memory that a process ever had, in KiB; `None` once it has ended.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn an_import_that_was_killed_goes_on_where_it_was() {
    let home = Home::new().await;
    let mut killed = home
        .command(&["users", "import", "--from", "jsonl", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut stdin = killed.stdin.take().expect("piped");
    let part = lines(0..4_500);
    let written = tokio::task::spawn_blocking(move || {
        stdin.write_all(part.as_bytes()).expect("it reads");
        stdin
    });
    let stdin = written.await.expect("the thread ends");
    // It waits for more: what it has read whole is stored.
    let stored = async {
        while home.count("users").await < 4_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), stored)
        .await
        .expect("four batches are stored");
    killed.kill().expect("our own child");
    killed.wait().expect("our own child");
    drop(stdin);
    assert_eq!(
        home.count("users").await,
        4_000,
        "a batch is there whole or not at all"
    );
    assert_eq!(home.count("identities").await, 4_000);

    let file = home.write("users.jsonl", &lines(0..USERS));
    let mut command = home.command(&["users", "import", "--from", "jsonl", &file]);
    let output = command.output().expect("the binary runs");
    let done: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a summary");
    assert_eq!(done["already_there"], 4_000);
    assert_eq!(done["imported"], USERS - 4_000);
    assert_eq!(home.count("users").await, i64::from(USERS));
    assert_eq!(home.count("identities").await, i64::from(USERS));
}

/// An array is where memory would go: it is one value of JSON.
fn array(users: u32) -> String {
    let mut text = String::from("{\"users\":[");
    let filler = "x".repeat(2_000);
    for number in 0..users {
        let comma = if number == 0 { "" } else { "," };
        write!(
            text,
            "{comma}{{\"localId\":\"u{number}\",\"email\":\"user{number}@example.org\",\"customAttributes\":\"{filler}\"}}"
        )
        .expect("a text grows");
    }
    text.push_str("]}");
    text
}

/// Imports so many users, and says how much memory that took at most, in KiB.
async fn peak_of_import(users: u32) -> u64 {
    let home = Home::new().await;
    let file = home.write("users.json", &array(users));
    let mut import = home
        .command(&["users", "import", "--from", "firebase", &file])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut most = 0;
    while import.try_wait().expect("our own child").is_none() {
        most = most.max(peak(&import).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(import.wait().expect("our own child").success());
    assert_eq!(home.count("users").await, i64::from(users));
    most
}

#[tokio::test]
async fn the_memory_of_an_import_does_not_grow_with_the_file() {
    let (few, many) = (peak_of_import(2_000).await, peak_of_import(USERS).await);
    assert!(few > 0 && many < MOST_KIB, "{many} KiB");
    // Four megabytes of users against twenty.
    assert!(many < few + 8 * 1024, "{few} KiB, and {many} KiB");
}
