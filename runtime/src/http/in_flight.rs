//! The answers of this process that nobody has read yet, and how much memory they may have.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use hyper::StatusCode;
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Answering;
use super::edge;

/// All answers together that are larger than [`SMALL`].
pub const MOST: usize = 16 * 1024 * 1024;
/// An answer up to this size is not counted: with all connections there is one, these are no more than the others.
pub const SMALL: usize = 16 * 1024;

#[derive(Clone)]
pub struct InFlight(Arc<Semaphore>);

impl Default for InFlight {
    fn default() -> Self {
        InFlight(Arc::new(Semaphore::new(MOST)))
    }
}

impl InFlight {
    /// The answer, counted until the last byte of it is written, or a refusal if there is no room for it. The body of an answer
    /// whose length is not known, a stream, is not counted: it is made as it is read.
    pub fn hold(&self, response: Response, answering: Answering) -> Response {
        let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let (response, room) = match length {
            Some(length) if length > SMALL => {
                let wanted = u32::try_from(length.min(MOST)).unwrap_or(u32::MAX);
                match Arc::clone(&self.0).try_acquire_many_owned(wanted) {
                    Ok(room) => (response, Some(Arc::new(room))),
                    Err(_) => (full(&response), None),
                }
            }
            _ => (response, None),
        };
        response.map(|body| Body::new(Counted { body, room, _answering: answering }))
    }
}

/// A refusal with the id that the answer had.
fn full(response: &Response) -> Response {
    let mut refusal =
        edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be read: ask again later");
    if let Some(id) = response.headers().get(edge::REQUEST_ID) {
        refusal.headers_mut().insert(edge::REQUEST_ID, id.clone());
    }
    refusal
}

struct Counted {
    body: Body,
    room: Option<Arc<OwnedSemaphorePermit>>,
    _answering: Answering,
}

/// Bytes that keep their room until the last copy of them is gone, which is when they are written.
struct Held {
    bytes: Bytes,
    _room: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl hyper::body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(cx));
        let Some(room) = &this.room else { return Poll::Ready(frame) };
        let held = |bytes| Bytes::from_owner(Held { bytes, _room: Arc::clone(room) });
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(held))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::connection::Progress;
    use super::*;

    fn answer(bytes: usize) -> Response {
        Response::new(Body::from(vec![0; bytes]))
    }

    #[tokio::test]
    async fn room_is_taken_until_the_bytes_are_gone() {
        let in_flight = InFlight::default();
        let hold = |bytes| in_flight.hold(answer(bytes), Progress::new().answer());
        let first = hold(MOST - SMALL - 1);
        let refused = hold(SMALL + 2);
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(hold(SMALL).status(), StatusCode::OK);
        // The body is read, and its bytes are not written yet.
        let bytes = first.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(hold(SMALL + 2).status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(bytes);
        assert_eq!(hold(MOST + 1).status(), StatusCode::OK);
    }
}
