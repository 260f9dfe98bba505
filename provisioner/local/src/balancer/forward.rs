//! Takes one request to a target, and the answer back.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::answer::fixed;
use super::config::Config;
use super::health::Pools;
use super::idle::{Body, Idle};

/// The time to connect to a target. After this, an ALB answers 504.
const CONNECT: Duration = Duration::from_secs(10);

/// The headers that concern one connection only, and so not the next one.
const HOP: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub struct Forwarder {
    client: Client<HttpConnector, Body>,
    idle: Duration,
}

impl Forwarder {
    pub fn new(idle: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Forwarder { client, idle }
    }

    pub async fn forward(
        &self,
        mut request: Request<Incoming>,
        config: &Config,
        pools: &Pools,
        from: SocketAddr,
        port: u16,
    ) -> Response<Body> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let Some(group) = config.route(request.method().as_str(), host, request.uri().path()) else {
            return fixed(StatusCode::NOT_FOUND);
        };
        let Some(target) = pools.get(group).and_then(|pool| pool.next()) else {
            return fixed(StatusCode::SERVICE_UNAVAILABLE);
        };
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let Ok(uri) = format!("http://{target}{path}").parse::<Uri>() else { return fixed(StatusCode::BAD_REQUEST) };
        *request.uri_mut() = uri;
        *request.version_mut() = hyper::Version::HTTP_11;
        remove_hop_headers(request.headers_mut());
        add_headers(request.headers_mut(), from, port);
        let request = request.map(|body| Idle::new(body, self.idle).boxed_unsync());
        match tokio::time::timeout(self.idle, self.client.request(request)).await {
            Ok(Ok(mut response)) => {
                remove_hop_headers(response.headers_mut());
                response.map(|body| Idle::new(body, self.idle).boxed_unsync())
            }
            Ok(Err(error)) if is_timeout(&error) => fixed(StatusCode::GATEWAY_TIMEOUT),
            Ok(Err(_)) => fixed(StatusCode::BAD_GATEWAY),
            Err(_) => fixed(StatusCode::GATEWAY_TIMEOUT),
        }
    }
}

/// Whether a connection failed because it took too long, and not because it was refused.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.downcast_ref::<std::io::Error>().is_some_and(|it| it.kind() == std::io::ErrorKind::TimedOut) {
            return true;
        }
        next = error.source();
    }
    false
}

fn remove_hop_headers(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

fn add_headers(headers: &mut HeaderMap, from: SocketAddr, port: u16) {
    let ip = from.ip().to_string();
    let before: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok()).collect();
    let forwarded = before.iter().copied().chain([ip.as_str()]).collect::<Vec<_>>().join(", ");
    let trace = headers.get("x-amzn-trace-id").and_then(|it| it.to_str().ok()).unwrap_or_default();
    let trace = match trace {
        "" => format!("Root={}", trace_id()),
        // The request has a trace id already. The balancer adds its own.
        own if own.contains("Root=") => format!("Self={};{own}", trace_id()),
        own => format!("Root={};{own}", trace_id()),
    };
    for (name, value) in [
        ("x-forwarded-for", forwarded),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-forwarded-port", port.to_string()),
        ("x-amzn-trace-id", trace),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
}

fn trace_id() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("1-{seconds:08x}-{:024x}", fastrand::u128(..) >> 32)
}
