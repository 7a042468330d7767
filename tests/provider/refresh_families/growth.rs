//! That a family does not grow, on a PostgreSQL of its own: a transaction of another test, in whatever
//! database of the server, keeps dead rows from being pruned while it lasts.

use std::process::Stdio;
use std::time::Duration;

use chrono::DateTime;
use signet::domain::refresh_token::Rotation;
use signet::domain::secret::Secret;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::pool::{self, PoolSettings};
use signet::storage::{Execute, Statements, migrate};

use super::answer;
use crate::storage::process::{Directory, POSTGRES, Server};
use crate::support::cluster::server_command;
use crate::support::grants::{Granter, rotating};

struct Lonely {
    _server: Server,
    _directory: Directory,
    url: Secret,
}

impl Lonely {
    /// Without autovacuum: what keeps the table small is the refresh itself.
    async fn start() -> Self {
        let directory = Directory::new();
        let data = directory.path().join("data");
        let made = server_command("initdb")
            .args([
                "--auth=trust",
                "--username=signet",
                "--encoding=UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .arg("--pgdata")
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(made.success());
        let mut command = server_command("postgres");
        command.arg("-D").arg(&data).arg("-k").arg(directory.path());
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "autovacuum=off",
        ] {
            command.args(["-c", setting]);
        }
        let socket = directory.path().join(".s.PGSQL.5432");
        let server = Server::start(&mut command, &socket, POSTGRES);
        let url = format!(
            "postgres:///postgres?host={}&user=signet",
            directory.path().display()
        );
        let lonely = Self {
            _server: server,
            _directory: directory,
            url: Secret::new(url),
        };
        let ready = async {
            // The socket is there a moment before the server is ready.
            while lonely.url().connect().await.is_err() {}
        };
        tokio::time::timeout(Duration::from_secs(30), ready)
            .await
            .expect("the server is ready");
        migrate::run(&lonely.url(), DateTime::UNIX_EPOCH)
            .await
            .expect("the migrations apply");
        lonely
    }

    fn url(&self) -> DatabaseUrl {
        DatabaseUrl::parse(&self.url).expect("a URL of ours is understood")
    }
}

#[tokio::test]
async fn ten_thousand_refreshes_leave_one_row_and_a_table_of_the_same_size() {
    let lonely = Lonely::start().await;
    let sql = lonely.url().connect().await.expect("connected");
    let db = pool::open(&PoolSettings {
        url: lonely.url.clone(),
        size: 1,
        statements: Statements::Prepared,
    })
    .expect("a URL of ours is understood");
    let granter = Granter::new(&sql).await;
    let mut families = Vec::new();
    for _ in 0..40 {
        families.push(granter.family(&db, &rotating()).await);
    }
    let refreshed = families[20];
    let size = async || -> i64 {
        sql.query_one("SELECT pg_total_relation_size('token_families')", &[])
            .await
            .expect("asked")
            .get(0)
    };
    let mut after_100 = 0;
    for serial in 1..=10_000 {
        let outcome = answer(&db, &granter, refreshed, serial, serial).await;
        assert_eq!(outcome, (Rotation::Advanced, Some(serial + 1)));
        // The others live on the same pages, and are used now and then.
        if serial % 100 == 0 {
            let round = serial / 100 - 1;
            let neighbour = families[usize::try_from(round % 20).expect("small")];
            let outcome = answer(&db, &granter, neighbour, round / 20 + 1, serial).await;
            assert_eq!(outcome.0, Rotation::Advanced);
        }
        if serial == 100 {
            after_100 = size().await;
        }
    }
    assert_eq!(size().await, after_100);
    let rows = sql.query("SELECT FROM token_families", &[]).await.expect("asked");
    assert_eq!(rows.len(), families.len());

    db.query("SELECT pg_stat_force_next_flush()", &[])
        .await
        .expect("asked to tell its numbers");
    db.ping().await.expect("told");
    let row = sql
        .query_one(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'token_families'",
            &[],
        )
        .await
        .expect("asked");
    let (updates, heap_only): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(updates, 10_100);
    assert!(heap_only * 100 >= updates * 99, "{heap_only} of {updates}");
}
