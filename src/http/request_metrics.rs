//! What is counted of requests: how many there were, how they ended, how long they took. A look-up by name and
//! labels costs more than the rest of an answer from memory, so each worker keeps what it has looked up: as many
//! series as there are routes, methods and statuses, all of which are ours.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::StatusCode;
use metrics::{Counter, Histogram};

struct Route {
    seconds: Histogram,
    answers: HashMap<(&'static str, StatusCode), Counter>,
}

thread_local! {
    static ROUTES: RefCell<HashMap<String, Route>> = RefCell::default();
}

/// Tells what they mean.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        "signet_http_requests_total",
        "Requests, by route, method and status"
    );
    metrics::describe_histogram!(
        "signet_http_request_seconds",
        metrics::Unit::Seconds,
        "How long requests took, by route"
    );
}

/// Counts an answer.
pub(super) fn record(route: &str, method: &'static str, status: StatusCode, elapsed: Duration) {
    ROUTES.with_borrow_mut(|routes| {
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), Route::of(route));
        }
        let known = routes.get_mut(route).expect("it was put in if it was not there");
        known.seconds.record(elapsed);
        let answers = known.answers.entry((method, status));
        answers
            .or_insert_with(|| {
                metrics::counter!(
                    "signet_http_requests_total",
                    "route" => route.to_owned(), "method" => method, "status" => status.as_str().to_owned()
                )
            })
            .increment(1);
    });
}

impl Route {
    fn of(route: &str) -> Self {
        Self {
            seconds: metrics::histogram!("signet_http_request_seconds", "route" => route.to_owned()),
            answers: HashMap::new(),
        }
    }
}
