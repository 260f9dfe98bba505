//! An HTTP client, over TLS with Mozilla's roots, which are linked in.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::GaiResolver;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::reach::{Reach, Resolver};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that is kept is used again within this time. The other side closes it later than that.
const KEPT: Duration = Duration::from_secs(10);
/// The largest body of an answer, in bytes. A `_bulk` answer has some 200 bytes for each document of a few hundred.
const LARGEST_BODY: usize = 32 * 1024 * 1024;
const IDLE_CONNECTIONS: usize = 32;

#[derive(Clone)]
pub struct Client {
    client: legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    reach: Arc<Reach>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// A client for URLs of the configuration.
    pub fn new() -> anyhow::Result<Self> {
        Client::within(Reach::Anywhere)
    }

    /// A client for URLs of the configuration that keeps connections, for a caller who tries again: Lambda freezes the
    /// process between two events. A connection that was kept may then be dead and look alive.
    pub fn with_kept_connections() -> anyhow::Result<Self> {
        Client::made(Reach::Anywhere, IDLE_CONNECTIONS)
    }

    /// A client that calls only what is in reach. It follows no redirect, as no client here does. It keeps no connection.
    pub fn within(reach: Reach) -> anyhow::Result<Self> {
        Client::made(reach, 0)
    }

    fn made(reach: Reach, idle_connections: usize) -> anyhow::Result<Self> {
        let reach = Arc::new(reach);
        // The provider is named, because a default provider exists only if a single crate in the build asks for one.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_webpki_roots()
            .with_no_client_auth();
        let resolver = Resolver { reach: Arc::clone(&reach), names: GaiResolver::new() };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(idle_connections)
            .pool_idle_timeout(KEPT)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Client { client, reach })
    }

    /// Sends a request and gives the answer, whatever its status. It waits as long as the caller lets it.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let (parts, body) = self.ask(request).await?.into_parts();
        let body = Limited::new(body, LARGEST_BODY)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!(error))
            .context("reading the answer")?;
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }

    /// Sends a request and gives the status of the answer. Its body is not read.
    pub async fn status(&self, request: Request<Full<Bytes>>) -> anyhow::Result<StatusCode> {
        Ok(self.ask(request).await?.status())
    }

    /// Whether this client would call a URL at all.
    pub fn check(&self, url: &Uri) -> anyhow::Result<()> {
        self.reach.check(url)
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        self.check(request.uri())?;
        Ok(self.client.request(request).await?)
    }
}
