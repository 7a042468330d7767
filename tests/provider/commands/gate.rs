//! A port in front of the tests' PostgreSQL that can be closed, so that the database goes away for one server.

use std::path::PathBuf;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::cluster::Cluster;
use crate::support::database::TestDatabase;

/// The way to a database; closed at first.
pub struct Gate {
    port: u16,
    database: String,
    socket: PathBuf,
    open: Option<DropGuard>,
}

impl Gate {
    pub fn new(database: &TestDatabase) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        Self {
            port: listener.local_addr().expect("bound").port(),
            database: database.name().to_owned(),
            socket: Cluster::shared().socket().join(".s.PGSQL.5432"),
            open: None,
        }
    }

    pub fn url(&self) -> String {
        format!("postgres://signet@127.0.0.1:{}/{}", self.port, self.database)
    }

    /// Lets connections through from now on.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await;
        let listener = listener.expect("the port is still free");
        let closed = CancellationToken::new();
        self.open = Some(closed.clone().drop_guard());
        let socket = self.socket.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = closed.cancelled() => return,
                };
                let (stream, _) = accepted.expect("the listener works");
                tokio::spawn(carry(stream, socket.clone(), closed.clone()));
            }
        });
    }

    /// Cuts off every connection, and refuses new ones.
    pub fn close(&mut self) {
        self.open = None;
    }
}

async fn carry(mut stream: TcpStream, socket: PathBuf, closed: CancellationToken) {
    let mut server = UnixStream::connect(socket).await.expect("PostgreSQL is there");
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut stream, &mut server) => {}
        () = closed.cancelled() => {}
    }
}
