//! A body in chunks whose end does not come. Once a request is answered, the server waits for the rest of such
//! a body without any limit, and a connection that costs its owner nothing would stay for ever. So the answer
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
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::Stream;

/// Answers a request, and lets no unread rest of its body keep the connection open.
pub async fn ends_the_connection<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Answer>>, Error> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let body = Shared(Rc::new(RefCell::new(request.take_payload())));
    let payload = Box::pin(body.clone());
    request.set_payload(Payload::Stream { payload });
    let response = next.call(request).await?;
    Ok(response
        .map_body(|_, answer| Answer {
            answer: answer.boxed(),
            _request: body,
        })
        .map_into_right_body())
}

/// The body of a request, held by whoever reads it and by the answer.
#[derive(Clone)]
struct Shared(Rc<RefCell<Payload>>);

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, with that of its request.
pub struct Answer {
    answer: BoxBody,
    _request: Shared,
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
