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

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::Stream;

/// Whether the address of a request has another spelling than ours.
pub fn is_misspelt(request: &HttpRequest) -> bool {
    request.uri().path().contains('%')
}

/// [`is_misspelt`] and [`Unread`] where there is nothing else to settle.
pub async fn admit<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let unread = Unread::of(&mut request);
    let response = if is_misspelt(request.request()) {
        request.into_response(HttpResponse::NotFound())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    Ok(keep(unread, response))
}

/// An answer, which keeps what may be unread until it is sent.
pub fn keep(unread: Option<Unread>, response: ServiceResponse) -> ServiceResponse {
    match unread {
        None => response,
        Some(unread) => response.map_body(|_, answer| BoxBody::new(Answer { answer, unread })),
    }
}

/// A body in chunks, held by whoever reads it and by the answer.
#[derive(Clone)]
pub struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Takes hold of the body of a request, if it is in chunks.
    pub fn of(request: &mut ServiceRequest) -> Option<Self> {
        if !request.headers().contains_key(TRANSFER_ENCODING) {
            return None;
        }
        let body = Self(Rc::new(RefCell::new(request.take_payload())));
        let payload = Box::pin(body.clone());
        request.set_payload(Payload::Stream { payload });
        Some(body)
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, with that of its request.
struct Answer {
    answer: BoxBody,
    #[expect(dead_code, reason = "it is held, not used")]
    unread: Unread,
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
