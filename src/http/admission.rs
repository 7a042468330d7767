//! What is settled before any route sees a request.
//!
//! Its address has one spelling. None of ours needs percent-encoding, but the router would decode it, and a
//! second spelling of an address is one that rules in front of us do not know.
//!
//! Its body does not keep the connection. Once a request is answered, the server waits without any limit for the
//! rest of a body in chunks, and a connection that costs its owner nothing would stay for ever. So the answer
//! keeps hold of what was not read: the server then says `Connection: close`, and closes, as it does by itself
//! for a body with a length.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, web};
use bytes::Bytes;
use futures_util::Stream;

use super::error;
use super::site::Site;

/// Answers a request, by a route if it may have one.
pub async fn admit<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let unread = is_chunked.then(|| Shared::taken_from(&mut request));
    let response = if request.uri().path().contains('%') {
        misspelt(request).map_into_right_body()
    } else {
        next.call(request).await?.map_into_left_body()
    };
    Ok(match unread {
        None => response,
        Some(unread) => response.map_body(|_, answer| {
            let answer = answer.boxed();
            EitherBody::right(BoxBody::new(Answer { answer, unread }))
        }),
    })
}

fn misspelt(request: ServiceRequest) -> ServiceResponse {
    let (request, _) = request.into_parts();
    let answer = match request.app_data::<web::Data<Site>>() {
        Some(site) => error::not_found(site, &request),
        None => HttpResponse::NotFound().finish(),
    };
    ServiceResponse::new(request, answer)
}

/// The body of a request, held by whoever reads it and by the answer.
#[derive(Clone)]
struct Shared(Rc<RefCell<Payload>>);

impl Shared {
    fn taken_from(request: &mut ServiceRequest) -> Self {
        let body = Self(Rc::new(RefCell::new(request.take_payload())));
        let payload = Box::pin(body.clone());
        request.set_payload(Payload::Stream { payload });
        body
    }
}

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, with that of its request.
struct Answer {
    answer: BoxBody,
    #[expect(dead_code, reason = "it is held, not used")]
    unread: Shared,
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}
