//! A connection on loan from the pool, and what becomes of it.
//!
//! A server goes on with a statement whose asker went away: a request cut off by its client, or one that
//! took too long. The connection is therefore lent out again only when it is known to be idle. A statement
//! that is past its time is cancelled on the server, and its connection closed.
//!
//! Behind a pooler it is only closed. The driver hangs up as soon as a cancellation is sent, and PgBouncer
//! 1.18 then ends with "bad client state": one slow statement would take the database away from everybody.
//! There the server's own limit is wanted: `ALTER ROLE … SET statement_timeout = '10s'`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use postgres_openssl::MakeTlsConnector;
use tokio::time::{Instant, timeout, timeout_at};

use super::StorageError;

/// How long the server has to hear of a cancellation.
const CANCELLATION: Duration = Duration::from_secs(2);

/// A borrowed connection. Dropped instead of [`finish`](Self::finish)ed, it is settled first.
pub(super) struct Lease {
    connection: Option<Object>,
    /// What a cancellation is sent with, if one may be sent.
    cancel: Option<MakeTlsConnector>,
    /// The longest that one statement may take.
    limit: Duration,
    /// What brings the session back to rest.
    undo: &'static str,
    /// A statement took longer than that: there is nothing to wait for.
    overdue: AtomicBool,
}

impl Lease {
    pub(super) const fn new(connection: Object, cancel: Option<MakeTlsConnector>, limit: Duration) -> Self {
        Self {
            connection: Some(connection),
            cancel,
            limit,
            undo: "",
            overdue: AtomicBool::new(false),
        }
    }

    /// From here on the session is in a transaction.
    pub(super) const fn enter_transaction(&mut self) {
        self.undo = "ROLLBACK";
    }

    pub(super) const fn connection(&self) -> &Object {
        self.connection
            .as_ref()
            .expect("only the methods that consume the lease take the connection")
    }

    /// Runs `work`, which talks to [`connection`](Self::connection), within the limit.
    pub(super) async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StorageError> {
        match timeout(self.limit, work).await {
            Ok(result) => result.map_err(StorageError::from),
            Err(elapsed) => {
                self.overdue.store(true, Ordering::Relaxed);
                tracing::warn!(limit_ms = self.limit.as_millis(), "a statement took too long");
                Err(StorageError::Unavailable(Box::new(elapsed)))
            }
        }
    }

    /// Gives the connection back at once if `result` says that it is idle and well.
    pub(super) fn finish<T>(mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if !self.overdue.load(Ordering::Relaxed) {
            let connection = self.connection.take();
            // The server is going away, or is a standby by now: the next connection may be a better one.
            if result.as_ref().is_err_and(StorageError::is_unavailable) {
                drop(connection.map(Object::take));
            }
        }
        result
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            spawn_settle(Settle {
                connection,
                cancel: self.cancel.take(),
                undo: (!self.overdue.load(Ordering::Relaxed))
                    .then(|| (self.undo, Instant::now() + self.limit)),
            });
        }
    }
}

struct Settle {
    connection: Object,
    cancel: Option<MakeTlsConnector>,
    /// What to say when the session is idle, and until when it must be; without it, it is not waited for.
    undo: Option<(&'static str, Instant)>,
}

fn spawn_settle(settle: Settle) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(settle.run())),
        // Outside a runtime nothing runs any more: closing the connection is what remains.
        Err(_) => drop(Object::take(settle.connection)),
    }
}

impl Settle {
    async fn run(self) {
        if let Some((undo, deadline)) = self.undo
            && let Ok(Ok(())) = timeout_at(deadline, self.connection.batch_execute(undo)).await
        {
            return;
        }
        // Not for the pool again: a cancellation that comes late would hit the next statement.
        let connection = Object::take(self.connection);
        if let Some(tls) = self.cancel
            && !connection.is_closed()
        {
            let token = connection.cancel_token();
            // Failing that, the end of the connection tells the server when it next looks.
            let _ = timeout(CANCELLATION, token.cancel_query(tls)).await;
        }
    }
}
