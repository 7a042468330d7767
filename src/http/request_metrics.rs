//! What is counted of requests: how many there were, how they ended, how long they took. A look-up by name and
//! labels costs more than the rest of an answer from memory, so each worker keeps what it has looked up: as many
//! series as there are routes, methods and statuses, all of which are ours.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use metrics::{Counter, Histogram};

/// A route, with what is counted of its requests.
pub(super) struct Route {
    /// How it stands in the table of addresses.
    pub pattern: Box<str>,
    /// Whether it is a public document, which comes from memory.
    pub is_document: bool,
    seconds: Histogram,
    answers: RefCell<Vec<(&'static str, StatusCode, Counter)>>,
}

thread_local! {
    static ROUTES: RefCell<HashMap<Box<str>, Rc<Route>>> = RefCell::default();
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

/// The route of a request. Most addresses are their own patterns, and need no look into the table.
pub(super) fn route_of(request: &HttpRequest) -> Rc<Route> {
    ROUTES.with_borrow_mut(|routes| {
        if let Some(route) = routes.get(request.path()) {
            return Rc::clone(route);
        }
        let pattern = request.match_pattern().unwrap_or_else(|| "none".to_owned());
        if let Some(route) = routes.get(&*pattern) {
            return Rc::clone(route);
        }
        let route = Rc::new(Route::of(&pattern));
        routes.insert(pattern.into(), Rc::clone(&route));
        route
    })
}

impl Route {
    fn of(pattern: &str) -> Self {
        Self {
            pattern: pattern.into(),
            is_document: pattern.contains("/.well-known/"),
            seconds: metrics::histogram!("signet_http_request_seconds", "route" => pattern.to_owned()),
            answers: RefCell::default(),
        }
    }

    /// Counts an answer.
    pub(super) fn record(&self, method: &'static str, status: StatusCode, elapsed: Duration) {
        self.seconds.record(elapsed);
        let mut answers = self.answers.borrow_mut();
        let known = answers
            .iter()
            .find(|known| known.0 == method && known.1 == status);
        if let Some((.., counter)) = known {
            counter.increment(1);
            return;
        }
        let counter = metrics::counter!(
            "signet_http_requests_total",
            "route" => self.pattern.to_string(), "method" => method, "status" => status.as_str().to_owned()
        );
        counter.increment(1);
        answers.push((method, status, counter));
    }
}
