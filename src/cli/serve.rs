//! `signet serve`.

use super::{CommandError, Shell};
use crate::config::{Loaded, LogFormat};
use crate::server::{self, Mode, Ready, ServerError};
use crate::telemetry::{self, LineFormat, Metrics};

/// Nothing but the configuration decides how the provider runs.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the provider until SIGTERM or SIGINT.
pub fn run(shell: &Shell, _arguments: Arguments) -> Result<(), CommandError> {
    run_server(shell.load()?, Mode::Serve, |_| ())
}

/// Runs the provider in `mode`, with the log and the metrics that a server has.
pub fn run_server(loaded: Loaded, mode: Mode, on_ready: impl FnOnce(&Ready)) -> Result<(), CommandError> {
    let log = &loaded.config.log;
    let format = match log.format {
        None => LineFormat::of_stderr(),
        Some(LogFormat::Text) => LineFormat::Text,
        Some(LogFormat::Json) => LineFormat::Json,
    };
    telemetry::start_log(format, &log.level)?;
    telemetry::log_panics();
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = Metrics::start()?;
    // Requests are served on threads of the HTTP server's own; this is for jobs and for what waits.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("signet-jobs")
        .enable_all()
        .build()
        .map_err(ServerError::Run)?
        .block_on(server::run(loaded.config, mode, metrics, on_ready))?;
    Ok(())
}
