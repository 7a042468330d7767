//! The log and the metrics, and what is never in them. The macros of `tracing` and `metrics` stand anywhere;
//! where their output goes is decided here alone.
//!
//! Never logged, at no level: codes, tokens, cookies, passwords, verifiers, assertions, e-mail addresses, names,
//! query strings, bodies, parameters of SQL statements. Our own events name their fields one by one and have none
//! of these. Libraries are less careful when they are asked for details, so what theirs would tell is cut off
//! here, whatever `log.level` says.

mod json_line;

use std::io::IsTerminal;
use std::sync::Arc;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use json_line::JsonLine;

/// Libraries that would log parameters, headers or bodies beyond this level; and two that say what we say ourselves,
/// at every start and of every connection that breaks.
const CAPPED: [(&str, LevelFilter); 7] = [
    ("actix_server", LevelFilter::WARN),
    ("deadpool", LevelFilter::ERROR),
    ("tokio_postgres", LevelFilter::INFO),
    ("actix_http", LevelFilter::INFO),
    ("actix_web", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("hyper_util", LevelFilter::INFO),
];

/// The limits of the buckets of every duration, in seconds: from an answer out of memory to one that waited for a
/// hash as long as the queue allows.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

impl LineFormat {
    /// Text on a terminal, JSON elsewhere.
    pub fn of_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

/// Why there is no log or no metrics.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `log.level` is not understood.
    #[error("log.level {0:?} is no level, and no directives as info,signet::flows=debug")]
    Level(String),
    /// Something else takes the process's log or metrics already.
    #[error("the {0} of this process are taken already")]
    Taken(&'static str),
}

/// Logs to standard error from now on. `level` is a level, or directives as `info,signet::flows=debug`.
///
/// # Errors
/// When the level is not understood, or the process logs already.
pub fn start_log(format: LineFormat, level: &str) -> Result<(), TelemetryError> {
    let layer = log_layer(format, level, std::io::stderr)?;
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|_| TelemetryError::Taken("log"))
}

/// Makes a panic a line of the log, so that it is seen where logs are read. Its message is one of ours and tells
/// an invariant, never a value that a peer sent.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("a panic without text");
        tracing::error!(panic.place = place, "{text}");
    }));
}

fn log_layer<S, W>(
    format: LineFormat,
    level: &str,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, TelemetryError>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = EnvFilter::try_new(level).map_err(|_| TelemetryError::Level(level.to_owned()))?;
    let capped = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(CAPPED);
    let layer: Box<dyn Layer<S> + Send + Sync> = match format {
        LineFormat::Text => {
            let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            Box::new(fmt::layer().with_ansi(colours).with_writer(writer))
        }
        LineFormat::Json => Box::new(
            fmt::layer()
                .fmt_fields(JsonFields::new())
                .event_format(JsonLine)
                .with_writer(writer),
        ),
    };
    Ok(Box::new(layer.with_filter(capped).with_filter(wanted)))
}

/// The metrics of this process, for Prometheus to fetch.
#[derive(Clone)]
pub struct Metrics(Arc<PrometheusHandle>);

impl Metrics {
    /// Counts from now on.
    ///
    /// # Errors
    /// When the process counts already.
    pub fn start() -> Result<Self, TelemetryError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .expect("there are buckets")
            .install_recorder()
            .map_err(|_| TelemetryError::Taken("metrics"))?;
        Ok(Self(Arc::new(handle)))
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Sorts what was measured into the buckets. Without it the measurements pile up until someone renders.
    pub fn tidy(&self) {
        self.0.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Lines {
        fn text(&self) -> String {
            let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            String::from_utf8_lossy(&lines).into_owned()
        }
    }

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str, work: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = log_layer(LineFormat::Json, level, move || writer.clone()).expect("a level");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        lines.text()
    }

    #[test]
    fn parameters_of_statements_are_never_logged_whatever_the_level() {
        let work = || {
            tracing::debug!(target: "tokio_postgres::query", "executing statement with ada@example.org");
            tracing::trace!(target: "actix_http::h1", "Cookie: signet_st_x");
            tracing::debug!(target: "signet::flows", "our own");
        };
        for level in ["trace", "tokio_postgres=trace,actix_http=trace,signet=trace"] {
            let text = logged(level, work);
            assert!(!text.contains("ada") && !text.contains("Cookie"), "{text}");
            assert!(text.contains("our own"), "{text}");
        }
    }

    #[test]
    fn a_line_is_one_object_with_the_spans_around_it_and_every_cause() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);

        let text = logged("info", || {
            let _outer = tracing::info_span!("http", request.id = "r1", grant.type = "outer").entered();
            let _inner = tracing::info_span!("flow", grant.type = "inner").entered();
            let error = Outer(std::io::Error::other("\"inner\""));
            let error = &error as &dyn std::error::Error;
            tracing::info!(error, count = 3, client.id = %"c", "kept");
            tracing::debug!("dropped");
        });
        let mut line: serde_json::Value = serde_json::from_str(&text).expect("one line of JSON");
        let time = line["timestamp"].take();
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
        assert_eq!(
            line,
            serde_json::json!({"timestamp": null, "level": "INFO", "target": "signet::telemetry::tests",
                "span": "flow", "request.id": "r1", "grant.type": "inner", "error": "outer: \"inner\"", "count": 3,
                "client.id": "c", "message": "kept"})
        );
    }

    #[test]
    fn a_level_that_is_none_is_an_error() {
        assert!(matches!(
            start_log(LineFormat::Json, "signet=loud"),
            Err(TelemetryError::Level(_))
        ));
    }
}
