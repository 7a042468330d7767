//! HAProxy before the nodes: it spreads requests, asks whether nodes are well, and caches what may be cached, if it
//! is to.

use std::process::Stdio;

use tokio::process::Command;

use crate::support::node::Folder;
use crate::support::programs::Server;

/// Whether documents are kept for as long as they may be. A verifier of today takes what it gets as fresh, however old
/// its `Age` says that it is: behind a cache it keeps a document for up to twice its `max-age`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Documents {
    Cached,
    Passed,
}

/// Starts one that listens on `port` and spreads over `nodes`, given by their addresses.
///
/// Tokens come from nodes that are ready. Documents come from any that runs: without the database no node is ready,
/// and each goes on giving its JWKS for as long as it may. A reader may be asked twice for what failed.
pub async fn start(folder: &Folder, port: u16, nodes: &[&str], documents: Documents) -> Server {
    let servers = |options: &str| {
        let lines = nodes.iter().enumerate();
        lines
            .map(|(number, address)| {
                format!("    server n{number} {address} check inter 100ms fall 2 rise 1 {options}\n")
            })
            .collect::<String>()
    };
    let cache = match documents {
        Documents::Cached => {
            "    http-request cache-use documents\n    http-response cache-store documents\n"
        }
        Documents::Passed => "",
    };
    let config = format!(
        "global\n    maxconn 1000\n\
         cache documents\n    total-max-size 4\n    max-age 60\n    process-vary on\n\
         defaults\n    mode http\n    timeout connect 1s\n    timeout client 20s\n    timeout server 20s\n\
         \x20   timeout check 1s\n    retries 3\n    option redispatch 1\n    balance roundrobin\n\
         frontend issuer\n    bind 127.0.0.1:{port}\n    use_backend documents if {{ path_beg /.well-known/ }}\n\
         \x20   default_backend nodes\n\
         backend documents\n    option httpchk GET /healthz\n    retry-on all-retryable-errors\n\
         {cache}{}\
         backend nodes\n    option httpchk GET /readyz\n{}",
        servers(""),
        servers(""),
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, config).expect("our own folder");
    let path = std::env::var("PATH").unwrap_or_default();
    Server::start_at(port, || {
        let mut command = Command::new("haproxy");
        // Debian keeps servers out of the path of ordinary users.
        command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin:/sbin"));
        command.arg("-db").arg("-f").arg(&file).stderr(Stdio::null());
        command
    })
    .await
}
