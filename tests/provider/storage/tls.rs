//! A PostgreSQL that speaks TLS and nothing else over TCP; `sslmode` as libpq means it.

use std::path::PathBuf;
use std::time::Duration;

use signet::domain::secret::Secret;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::pool::{self, PoolSettings};
use signet::storage::{Execute, Statements};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::process::{Directory, POSTGRES, Server, free_port};
use crate::support::cluster::server_command;
use crate::support::identity::Identity;

const HOST: &str = "db.signet.test";

struct TlsServer {
    _server: Server,
    directory: Directory,
    port: u16,
}

impl TlsServer {
    async fn start() -> Self {
        let directory = Directory::new();
        let authority = Identity::new("The authority", None);
        let server = Identity::new(HOST, Some(&authority));
        let client = Identity::new("certified", Some(&authority));
        directory.write("ca.pem", authority.certificate());
        directory.write("stranger.pem", Identity::new("A stranger", None).certificate());
        let certificate = directory.write("server.pem", server.certificate());
        let key = directory.write("server.key", server.key());
        directory.write("client.pem", client.certificate());
        directory.write("client.key", client.key());

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
            .stdout(std::process::Stdio::null())
            .status()
            .expect("initdb runs");
        assert!(made.success());
        let rules = directory.write(
            "hba.conf",
            "local all all trust\nhostssl all certified all cert\nhostssl all all all scram-sha-256\n",
        );
        let port = free_port();
        let set = |name: &str, value: &str| format!("--{name}={value}");
        let path = |path: &PathBuf| path.to_str().expect("ours").to_owned();
        let server = Server::start(
            server_command("postgres")
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(directory.path())
                .arg(set("listen_addresses", "127.0.0.1"))
                .arg(set("port", &port.to_string()))
                .arg(set("fsync", "off"))
                .arg(set("hba_file", &path(&rules)))
                .arg(set("ssl", "on"))
                .arg(set("ssl_cert_file", &path(&certificate)))
                .arg(set("ssl_key_file", &path(&key)))
                .arg(set("ssl_ca_file", &path(&directory.path().join("ca.pem")))),
            &directory.path().join(format!(".s.PGSQL.{port}")),
            POSTGRES,
        );
        let this = Self {
            _server: server,
            directory,
            port,
        };
        let socket = this.directory.path().display();
        let url = Secret::new(format!(
            "postgres:///postgres?host={socket}&port={port}&user=signet"
        ));
        let url = DatabaseUrl::parse(&url).expect("ours");
        tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                // The socket is there a moment before the server is ready.
                let Ok(client) = url.connect().await else { continue };
                break client
                    .batch_execute("CREATE ROLE app LOGIN PASSWORD 'hunter2'; CREATE ROLE certified LOGIN")
                    .await
                    .expect("created");
            }
        })
        .await
        .expect("ready");
        this
    }

    /// `$` in `parameters` stands for the directory of the certificates.
    fn url(&self, user: &str, host: &str, parameters: &str) -> Secret {
        let parameters = parameters.replace('$', self.directory.path().to_str().expect("ours"));
        Secret::new(format!(
            "postgres://{user}@{host}:{}/postgres?hostaddr=127.0.0.1&{parameters}",
            self.port
        ))
    }

    /// Whether the connection is encrypted, or why there is none.
    async fn try_connect(&self, user: &str, host: &str, parameters: &str) -> Result<bool, String> {
        let url = DatabaseUrl::parse(&self.url(user, host, parameters)).map_err(|error| error.to_string())?;
        let client = url.connect().await.map_err(|error| match error.as_db_error() {
            Some(refused) => refused.message().to_owned(),
            None => format!("{error}: {:?}", std::error::Error::source(&error)),
        })?;
        let encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok(client.query_one(encrypted, &[]).await.expect("told").get(0))
    }
}

#[tokio::test]
async fn sslmode_means_what_it_means_to_libpq() {
    let server = TlsServer::start().await;
    let other = "other.signet.test";
    for (host, parameters, expected) in [
        (HOST, "sslmode=verify-full&sslrootcert=$/ca.pem", Ok(())),
        (
            other,
            "sslmode=verify-full&sslrootcert=$/ca.pem",
            Err("hostname mismatch"),
        ),
        (
            HOST,
            "sslmode=verify-full&sslrootcert=$/stranger.pem",
            Err("certificate verify failed"),
        ),
        (
            HOST,
            "sslmode=verify-full&sslrootcert=system",
            Err("certificate verify failed"),
        ),
        (HOST, "sslmode=verify-full", Err("certificate verify failed")),
        (other, "sslmode=verify-ca&sslrootcert=$/ca.pem", Ok(())),
        (
            HOST,
            "sslmode=verify-ca&sslrootcert=$/stranger.pem",
            Err("certificate verify failed"),
        ),
        (other, "sslmode=require", Ok(())),
        (other, "sslmode=require&sslrootcert=$/ca.pem", Ok(())),
        (
            HOST,
            "sslmode=require&sslrootcert=$/stranger.pem",
            Err("certificate verify failed"),
        ),
        (other, "sslmode=prefer", Ok(())),
        (other, "sslmode=allow", Ok(())),
        (other, "", Ok(())),
        (HOST, "sslmode=disable", Err("no encryption")),
        (
            HOST,
            "sslmode=verify-full&sslrootcert=$/ca.pem&channel_binding=require",
            Ok(()),
        ),
    ] {
        let result = server.try_connect("app:hunter2", host, parameters).await;
        match (&result, expected) {
            (Ok(true), Ok(())) => {}
            (Err(told), Err(reason)) if told.contains(reason) => {}
            _ => panic!("{host} {parameters}: {result:?}, expected {expected:?}"),
        }
    }
}

#[tokio::test]
async fn passwords_and_client_certificates_are_checked_and_channels_bound() {
    let server = TlsServer::start().await;
    let verified = "sslmode=verify-full&sslrootcert=$/ca.pem";
    let wrong = server
        .try_connect("app:hunter3", HOST, verified)
        .await
        .expect_err("wrong password");
    assert!(wrong.contains("password authentication failed"), "{wrong}");

    let with_key = format!("{verified}&sslcert=$/client.pem&sslkey=$/client.key");
    assert_eq!(server.try_connect("certified", HOST, &with_key).await, Ok(true));
    let without = server
        .try_connect("certified", HOST, verified)
        .await
        .expect_err("no certificate");
    assert!(without.contains("certificate"), "{without}");

    // A certificate proves the client, not that nobody sits between: what asks for binding must get it.
    let unbound = format!("{with_key}&channel_binding=require");
    let refused = server
        .try_connect("certified", HOST, &unbound)
        .await
        .expect_err("nothing binds");
    assert!(refused.contains("channel binding"), "{refused}");
}

#[tokio::test]
async fn the_pool_works_over_tls_and_so_does_cancelling() {
    let server = TlsServer::start().await;
    let db = pool::open(&PoolSettings {
        // As Neon prints it, but for the host.
        url: server.url("app:hunter2", HOST, "sslmode=require&channel_binding=require"),
        size: 1,
        statements: Statements::Prepared,
    })
    .expect("understood");
    db.ping().await.expect("answered");
    let hasty = db.with_limit(Duration::from_millis(200));
    assert!(hasty.query("SELECT pg_sleep(600)", &[]).await.is_err());
    tokio::time::timeout(Duration::from_secs(10), async {
        let running = "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'
            AND pid <> pg_backend_pid() AND state = 'active'";
        while !db.query(running, &[]).await.expect("asked").is_empty() {}
    })
    .await
    .expect("the server stops working on it");
}

#[tokio::test]
async fn the_server_is_told_its_name_unless_the_url_forbids_it() {
    for (parameters, told) in [("sslmode=require", true), ("sslmode=require&sslsni=0", false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let port = listener.local_addr().expect("bound").port();
        let url = Secret::new(format!(
            "postgres://app@{HOST}:{port}/x?hostaddr=127.0.0.1&{parameters}"
        ));
        let url = DatabaseUrl::parse(&url).expect("understood");
        let connecting = tokio::spawn(async move { url.connect().await.map(drop) });
        let (mut stream, _) = listener.accept().await.expect("connected");
        let mut request = [0; 8];
        stream.read_exact(&mut request).await.expect("it asks for TLS");
        stream.write_all(b"S").await.expect("granted");
        let mut hello = vec![0; 4096];
        let length = stream.read(&mut hello).await.expect("the client's hello");
        let named = hello[..length]
            .windows(HOST.len())
            .any(|bytes| bytes == HOST.as_bytes());
        assert_eq!(named, told, "{parameters}");
        drop(stream);
        connecting.await.expect("no panic").expect_err("nobody went on");
    }
}
