//! The listener: workers, and how long a connection may take for what.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};

use super::dev::{self, DevSite};
use super::entrance::Entrance;
use super::ops::{self, OpsState};
use super::site::Site;
use super::{request_metrics, routes};

/// How long a client may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(5);

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a connection may take to close.
const DISCONNECT_PATIENCE: Duration = Duration::from_secs(2);

/// How long requests in flight have when the server is told to stop.
pub const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// The most connections of one worker; more wait in the kernel.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves `site` and the operations endpoints on `listener`, with what `signet dev` adds if that runs. It runs
/// when it is awaited, and stops by its handle: signals are for whoever started it.
///
/// It stops within [`SHUTDOWN_PATIENCE`], whatever is in flight.
///
/// # Errors
/// When the listener cannot be used.
pub fn listen(
    listener: TcpListener,
    site: Site,
    ops: OpsState,
    development: Option<DevSite>,
    workers: usize,
) -> std::io::Result<Server> {
    request_metrics::describe_metrics();
    let site = web::Data::new(site);
    let server = HttpServer::new(move || {
        let ops = ops.clone();
        let mut app = App::new()
            .wrap(Entrance::new(site.clone()))
            .configure(|config| routes::configure(config, &site))
            .configure(|config| ops::configure(config, ops));
        if let Some(development) = development.clone() {
            app = app.configure(|config| dev::configure(config, development));
        }
        app.default_service(web::to(routes::nothing))
    });
    Ok(server
        .workers(workers)
        .client_request_timeout(HEAD_PATIENCE)
        .client_disconnect_timeout(DISCONNECT_PATIENCE)
        .keep_alive(KEEP_ALIVE)
        .max_connections(MAX_CONNECTIONS)
        .shutdown_timeout(SHUTDOWN_PATIENCE.as_secs())
        .disable_signals()
        .server_hostname("signet")
        .listen(listener)?
        .run())
}
