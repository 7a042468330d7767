//! What operators and their machines ask: `/healthz`, whether the process lives; `/readyz`, whether it can serve;
//! `/metrics`, in Prometheus' text format. On the main listener, and on one of their own (`listen_ops`), where
//! `/metrics` then moves to.

use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use chrono::SecondsFormat;
use serde_json::json;

use super::admission;
use crate::flows::health;
use crate::flows::provider::Provider;

/// Renders all metrics in Prometheus' text format.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// What the endpoints need.
#[derive(Clone)]
pub struct OpsState {
    /// The provider whose state is asked for.
    pub provider: Arc<Provider>,
    /// `None` where `/metrics` is not served: another listener does.
    pub metrics: Option<RenderMetrics>,
}

/// The table of the operations endpoints.
pub fn configure(config: &mut web::ServiceConfig, state: OpsState) {
    let OpsState { provider, metrics } = state;
    config
        .app_data(web::Data::from(provider))
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz));
    if let Some(render) = metrics {
        config
            .app_data(web::Data::new(render))
            .route("/metrics", web::get().to(self::metrics));
    }
}

/// Serves nothing but the operations endpoints on `listener`.
///
/// # Errors
/// When the system refuses the listener.
pub fn listen(listener: std::net::TcpListener, state: OpsState) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        let state = state.clone();
        App::new()
            .wrap(from_fn(admission::admit))
            .configure(move |config| configure(config, state))
    });
    Ok(server
        .workers(1)
        .disable_signals()
        .shutdown_timeout(1)
        .listen(listener)?
        .run())
}

/// `GET /healthz`: the process answers. Says nothing about the database: restarting us would not bring it back.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"status": "ok"}))
}

/// `GET /readyz`: whether requests should be sent here.
async fn readyz(provider: web::Data<Provider>) -> HttpResponse {
    match health::check(&provider).await {
        Ok(keys) => {
            let at = keys.next_change_at;
            let days = at.map(|at| (at - provider.now()).num_days());
            let warnings = keys.without_announced.iter();
            let warnings: Vec<_> = warnings
                .map(|alg| format!("no {alg} key is announced: the log says why none could be made"))
                .collect();
            HttpResponse::Ok()
                .insert_header((CACHE_CONTROL, "no-store"))
                .json(json!({
                    "status": "ok",
                    "next_key_change_at": at.map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true)),
                    "days_until_next_key_change": days,
                    "warnings": warnings,
                }))
        }
        Err(reason) => {
            tracing::debug!(error = &reason as &dyn std::error::Error, "not ready");
            HttpResponse::ServiceUnavailable()
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((RETRY_AFTER, "1"))
                .json(json!({"status": "unavailable", "reason": reason.to_string()}))
        }
    }
}

/// `GET /metrics`.
async fn metrics(render: web::Data<RenderMetrics>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body((***render)())
}
