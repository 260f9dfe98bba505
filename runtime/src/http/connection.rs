//! One connection: how long a request may take to arrive, how long an answer may take to be read, and what is said to something
//! that is not HTTP.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::edge;

/// The headers of a request arrive within this time after their first byte.
pub const HEADERS: Duration = Duration::from_secs(10);
/// A connection may be idle so long. A load balancer keeps idle connections for 60 s, and answers 502 when the server closes one
/// first; hence more than that.
pub const IDLE: Duration = Duration::from_secs(75);
/// A write that makes no progress for so long ends its connection: nobody reads the answer.
pub const STALLED: Duration = Duration::from_secs(30);

/// The stream of a connection, which ends itself when the peer takes too long.
pub struct Connection<S> {
    stream: S,
    progress: Arc<Progress>,
    read_timer: Timer,
    write_timer: Timer,
    /// The rest of an answer of ours that stands in for one of hyper's, and the length of hyper's.
    instead: Option<(Bytes, usize)>,
}

/// What a connection is about, as its stream and its service tell each other.
pub struct Progress(Mutex<Stage>);

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// Nothing of the next request has arrived.
    Idle(Instant),
    /// A part of the headers of a request has arrived.
    Headers(Instant),
    /// A request is being answered.
    Answering,
}

/// A request that is being answered, until this is dropped.
pub struct Answering(Arc<Progress>);

impl<S> Connection<S> {
    pub fn new(stream: S, progress: &Arc<Progress>) -> Self {
        let progress = Arc::clone(progress);
        Connection { stream, progress, read_timer: Timer(None), write_timer: Timer(None), instead: None }
    }
}

impl Progress {
    pub fn new() -> Arc<Self> {
        Arc::new(Progress(Mutex::new(Stage::Idle(Instant::now()))))
    }

    pub fn stage(&self) -> Stage {
        *self.lock()
    }

    /// The headers of a request are complete.
    pub fn answer(self: &Arc<Self>) -> Answering {
        *self.lock() = Stage::Answering;
        Answering(Arc::clone(self))
    }

    fn arrived(&self) {
        let mut stage = self.lock();
        if let Stage::Idle(_) = *stage {
            *stage = Stage::Headers(Instant::now());
        }
    }

    /// When the peer has had its time, if it is the peer's turn.
    fn deadline(&self) -> Option<Instant> {
        match self.stage() {
            Stage::Idle(since) => Some(since + IDLE),
            Stage::Headers(since) => Some(since + HEADERS),
            Stage::Answering => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        *self.0.lock() = Stage::Idle(Instant::now());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            this.read_timer.stop();
            if buffer.filled().len() > before {
                this.progress.arrived();
            }
            return Poll::Ready(read);
        }
        match this.progress.deadline() {
            Some(deadline) => this.read_timer.run_out(cx, deadline).map(Err),
            None => {
                this.read_timer.stop();
                Poll::Pending
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.stand_in(bytes) {
            return this.write_instead(cx);
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.progressed(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.stand_in(parts.first().map_or(&[], |part| &**part)) {
            return this.write_instead(cx);
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.progressed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    fn progressed<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(written) => {
                self.write_timer.stop();
                Poll::Ready(written)
            }
            Poll::Pending => {
                let deadline = self.write_timer.deadline().unwrap_or_else(|| Instant::now() + STALLED);
                self.write_timer.run_out(cx, deadline).map(Err)
            }
        }
    }

    /// Whether an answer of ours stands in for what hyper is about to write: hyper itself answers what it cannot read, and its
    /// answers have no body.
    fn stand_in(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none()
            && matches!(self.progress.stage(), Stage::Headers(_))
            && let Some(status) = refused(bytes)
        {
            self.instead = Some((refusal(status), bytes.len()));
        }
        self.instead.is_some()
    }

    fn write_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some((rest, _)) = self.instead.as_mut().filter(|(rest, _)| !rest.is_empty()) {
            let written = Pin::new(&mut self.stream).poll_write(cx, rest);
            let written = match written {
                Poll::Ready(written) => written?,
                Poll::Pending => return self.progressed(cx, Poll::Pending),
            };
            if written == 0 {
                return Poll::Ready(Err(ErrorKind::WriteZero.into()));
            }
            let _ = rest.split_to(written);
            self.write_timer.stop();
        }
        Poll::Ready(Ok(self.instead.take().map_or(0, |(_, length)| length)))
    }
}

/// The status with which hyper refuses a request that it cannot read. An answer of ours carries the id of its request.
fn refused(head: &[u8]) -> Option<StatusCode> {
    let status = head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    let status = StatusCode::from_bytes(status).ok().filter(StatusCode::is_client_error)?;
    let id = edge::REQUEST_ID;
    let ours = head.windows(id.as_str().len()).any(|part| part.eq_ignore_ascii_case(id.as_str().as_bytes()));
    (!ours).then_some(status)
}

fn refusal(status: StatusCode) -> Bytes {
    let message = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the headers are larger than 64 KiB",
        StatusCode::URI_TOO_LONG => "the path is too long",
        _ => "this is not a request of HTTP/1.1",
    };
    let body = edge::refusal(status, message).to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    (head + &body).into()
}

/// A time that the peer has.
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn stop(&mut self) {
        self.0 = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.as_ref().map(|timer| timer.deadline())
    }

    /// Ready with an error when the deadline has passed.
    fn run_out(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<io::Error> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn headers_have_ten_seconds_after_their_first_byte_and_an_idle_connection_more() {
        for (sent, expected) in [("", IDLE), ("GET / HT", HEADERS)] {
            let (mut peer, stream) = duplex(1024);
            let mut connection = Connection::new(stream, &Progress::new());
            peer.write_all(sent.as_bytes()).await.unwrap();
            let began = Instant::now();
            let mut read = Vec::new();
            let ended = connection.read_to_end(&mut read).await.unwrap_err();
            assert_eq!((ended.kind(), read.as_slice()), (ErrorKind::TimedOut, sent.as_bytes()));
            assert_eq!(began.elapsed().as_secs(), expected.as_secs(), "{sent:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_request_is_answered_the_peer_may_be_silent() {
        let (_peer, stream) = duplex(1024);
        let progress = Progress::new();
        let mut connection = Connection::new(stream, &progress);
        let answering = progress.answer();
        let silent = tokio::time::timeout(IDLE * 10, connection.read_u8()).await;
        assert!(silent.is_err(), "{silent:?}");
        drop(answering);
        assert!(matches!(progress.stage(), Stage::Idle(_)));
        assert_eq!(connection.read_u8().await.unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_ends_when_nobody_reads_and_goes_on_while_somebody_reads_slowly() {
        let (mut peer, stream) = duplex(10);
        let mut connection = Connection::new(stream, &Progress::new());
        let reading = tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(STALLED - Duration::from_secs(1)).await;
                peer.read_u8().await.unwrap();
            }
            peer
        });
        connection.write_all(&[0; 30]).await.unwrap();
        let began = Instant::now();
        let ended = connection.write_all(&[0; 30]).await.unwrap_err();
        assert_eq!((ended.kind(), began.elapsed() < STALLED * 2), (ErrorKind::TimedOut, true));
        drop(reading.await);
    }

    #[tokio::test]
    async fn an_answer_of_hyper_gets_a_body_and_one_of_ours_is_left_alone() {
        let progress = Progress::new();
        progress.arrived();
        for (written, expected) in [
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                "\"message\":\"this is not a request of HTTP/1.1\"",
            ),
            ("HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\n\r\n{}", "x-request-id: a\r\n\r\n{}"),
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"),
        ] {
            let (mut peer, stream) = duplex(1024);
            let mut connection = Connection::new(stream, &progress);
            connection.write_all(written.as_bytes()).await.unwrap();
            drop(connection);
            let mut read = String::new();
            peer.read_to_string(&mut read).await.unwrap();
            assert!(read.contains(expected), "{read}");
        }
    }
}
