//! Serves HTTP/1.1 on a loopback port, for the parts that answer each request with a whole body.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde_json::Value;
use tokio::net::TcpListener;

pub type Answer = Response<Full<Bytes>>;
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// How long connections may be quiet, and how long answers under way may take once the part stops.
pub struct Patience {
    /// The time for the head of the next request. `None` is without end.
    pub head: Option<Duration>,
    pub drain: Duration,
}

/// Serves until `stop`. Answers under way are still given.
pub async fn serve(
    listener: TcpListener,
    patience: Patience,
    stop: impl Future<Output = ()>,
    answer: impl Fn(Request<Incoming>, SocketAddr) -> Answering + Clone + Send + 'static,
) {
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let (stream, from) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // No file descriptor is free. That does not last for ever.
                Err(_) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        let service = service_fn(move |request| {
            let answering = answer(request, from);
            async move { Ok::<_, Infallible>(answering.await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(patience.head);
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), service));
        // The client sent half a request, or left before its answer. Nothing is to be done about it.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(listener);
    let _ = tokio::time::timeout(patience.drain, graceful.shutdown()).await;
}

/// Why there is no whole body.
#[derive(Debug, PartialEq)]
pub enum NoBody {
    TooLong,
    BrokeOff,
}

/// Reads a body of at most so many bytes. The rest of a longer one is read too and forgotten: otherwise the connection
/// would end while the client still sends, and the client would not see the answer.
pub async fn body(mut incoming: Incoming, largest: usize) -> Result<Bytes, NoBody> {
    let mut whole = match Limited::new(&mut incoming, largest).collect().await {
        Ok(whole) => return Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => 0,
        Err(_) => return Err(NoBody::BrokeOff),
    };
    while whole < FORGOTTEN
        && let Some(Ok(frame)) = incoming.frame().await
    {
        whole += frame.data_ref().map_or(0, Bytes::len);
    }
    Err(NoBody::TooLong)
}

/// The most bytes that are read and forgotten.
const FORGOTTEN: usize = 64 << 20;

pub fn json(status: StatusCode, value: &Value) -> Answer {
    bytes(status, value.to_string())
}

/// An answer whose body is JSON already.
pub fn bytes(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// Writes a line to standard error, which is the part's log file.
pub fn log(line: &str) {
    use std::io::Write;
    // One write is one line, also beside other processes that write to the same file.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}
