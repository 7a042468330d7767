//! What every request passes, in and out: its span and id, the hold on its body, the headers of every answer.
//!
//! It is a service of its own, and no function around the next one: an answer out of memory then needs no future on
//! the heap, and no look into the table of addresses.

use std::future::{Ready, ready};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::Method;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use futures_util::future::{Either, LocalBoxFuture};
use tracing::Instrument;

use super::admission::{self, Unread};
use super::error;
use super::oauth::{jwks, metadata};
use super::root_span::RootSpan;
use super::security_headers;
use super::site::Site;

/// The way in of one worker.
pub struct Entrance {
    site: web::Data<Site>,
}

impl Entrance {
    /// The way in to `site`.
    pub const fn new(site: web::Data<Site>) -> Self {
        Self { site }
    }
}

impl<S> Transform<S, ServiceRequest> for Entrance
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, routes: S) -> Self::Future {
        let site = self.site.clone();
        ready(Ok(Guarded { site, routes }))
    }
}

/// The routes, behind the way in.
pub struct Guarded<S> {
    site: web::Data<Site>,
    routes: S,
}

impl<S> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Either<
        Ready<Result<ServiceResponse, Error>>,
        LocalBoxFuture<'static, Result<ServiceResponse, Error>>,
    >;

    forward_ready!(routes);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let passage = Passage {
            root: RootSpan::open(&self.site, request.request()),
            unread: Unread::of(&mut request),
            secure: self.site.secure,
        };
        if let Some(answer) = at_once(&self.site, request.request()) {
            return Either::Left(ready(passage.leave(Ok(request.into_response(answer)))));
        }
        let span = passage.root.span();
        let answering = span.in_scope(|| self.routes.call(request)).instrument(span);
        Either::Right(Box::pin(async move { passage.leave(answering.await) }))
    }
}

/// What needs no route, and nothing to wait for: an address that is misspelt, and the documents for which every
/// verifier comes. Whatever else is asked at their addresses is for the routes there.
fn at_once(site: &Site, request: &HttpRequest) -> Option<HttpResponse> {
    if admission::is_misspelt(request) {
        return Some(error::not_found(site, request));
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if !reads || request.uri().query().is_some() {
        return None;
    }
    let path = request.path();
    if path == site.addresses.jwks {
        jwks::at_once(site, request)
    } else if site.addresses.metadata.iter().any(|address| path == address) {
        Some(metadata::at_once(site, request))
    } else {
        None
    }
}

/// What is done when the answer is there.
struct Passage {
    root: RootSpan,
    unread: Option<Unread>,
    secure: bool,
}

impl Passage {
    fn leave(self, result: Result<ServiceResponse, Error>) -> Result<ServiceResponse, Error> {
        let mut response = self.root.close(result)?;
        security_headers::append(response.headers_mut(), self.secure);
        Ok(admission::keep(self.unread, response))
    }
}
