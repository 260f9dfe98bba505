//! Client-side rate limits: AWS's published token buckets, applied before a request leaves. They are in the HTTP
//! connector, so that reads, writes, pollers and the SDK's own retries all pass through them.
//!
//! The numbers are in the record of each service. Their source is the throttling pages of EC2, Elastic Load Balancing,
//! ECS, Lambda and CloudWatch Logs. A service for which AWS publishes no numbers has a burst of 20 and 10 calls a
//! second.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::wait::{Clock, pause};

/// One of AWS's token buckets, and the calls that take from it.
pub struct Rate {
    /// The name of the bucket. Rates with the same bucket share its tokens.
    pub bucket: &'static str,
    pub calls: Calls,
    pub burst: f64,
    pub per_second: f64,
}

pub enum Calls {
    Named(&'static [&'static str]),
    Reads,
    All,
}

impl Rate {
    /// The rate of services for which AWS publishes no numbers and that are called rarely.
    pub const OTHER: Rate = Rate::of("other", Calls::All, 20.0, 10.0);

    pub const fn of(bucket: &'static str, calls: Calls, burst: f64, per_second: f64) -> Rate {
        Rate { bucket, calls, burst, per_second }
    }

    pub fn takes(&self, action: &str, is_read: bool) -> bool {
        match self.calls {
            Calls::Named(names) => names.contains(&action),
            Calls::Reads => is_read,
            Calls::All => true,
        }
    }
}

/// Returns the rate of a call to a service that has kinds. The arguments are the service's signing name, the action,
/// and whether it is a read.
pub type RateOf = fn(&str, &str, bool) -> Option<&'static Rate>;

/// The HTTPS client of all calls to AWS. It honours the proxy variables of the environment.
pub(super) fn http_client(clock: Clock, rate_of: RateOf) -> SharedHttpClient {
    let inner = Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .proxy_config(ProxyConfig::from_env());
        if let Some(settings) = settings {
            builder = builder.connector_settings(settings.clone());
        }
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder.build()
    });
    SharedHttpClient::new(Limited { inner, buckets: Arc::new(Buckets { clock, rate_of, levels: Mutex::default() }) })
}

#[derive(Debug)]
struct Limited {
    inner: SharedHttpClient,
    buckets: Arc<Buckets>,
}

impl HttpClient for Limited {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(LimitedConnector { inner, buckets: self.buckets.clone() })
    }
}

#[derive(Debug)]
struct LimitedConnector {
    inner: SharedHttpConnector,
    buckets: Arc<Buckets>,
}

impl HttpConnector for LimitedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, buckets) = (self.inner.clone(), self.buckets.clone());
        let (service, action) = names(&request);
        HttpConnectorFuture::new(async move {
            buckets.take(&service, &action).await;
            match inner.call(request).await {
                // The call may have been carried out although no answer came. Repeating a read is harmless. Only the
                // engine can say whether to repeat a write, after it has looked, so the SDK must not do it.
                Err(error) if !error.is_user() && !is_read(&action) => Err(ConnectorError::other(error.into(), None)),
                other => other,
            }
        })
    }
}

struct Buckets {
    clock: Clock,
    rate_of: RateOf,
    levels: Mutex<HashMap<&'static str, Level>>,
}

impl fmt::Debug for Buckets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Buckets")
    }
}

struct Level {
    tokens: f64,
    at: Instant,
}

impl Buckets {
    /// Takes a token, and waits for as long as the bucket is in debt. Calls are served in the order in which they come.
    async fn take(&self, service: &str, action: &str) {
        let rate = rate(self.rate_of, service, action);
        let debt = {
            let mut levels = self.levels.lock().expect("no panic while held");
            let now = Instant::now();
            let level = levels.entry(rate.bucket).or_insert(Level { tokens: rate.burst, at: now });
            let gained = now.duration_since(level.at).as_secs_f64() * self.clock.scale() * rate.per_second;
            level.tokens = (level.tokens + gained).min(rate.burst) - 1.0;
            level.at = now;
            -level.tokens
        };
        if debt > 0.0 {
            pause(self.clock.seconds(debt / rate.per_second)).await;
        }
    }
}

/// The services that we call and that have no kinds, each with its rate.
const WITHOUT_KINDS: &[(&str, Rate)] = &[
    ("acm", Rate::OTHER),
    ("dynamodb", Rate::of("dynamodb", Calls::All, 100.0, 50.0)),
    ("servicequotas", Rate::OTHER),
    ("sts", Rate::OTHER),
    ("tagging", Rate::OTHER),
];

fn rate(rate_of: RateOf, service: &str, action: &str) -> &'static Rate {
    if let Some(rate) = rate_of(service, action, is_read(action)) {
        return rate;
    }
    let other = WITHOUT_KINDS.iter().find(|(name, _)| *name == service);
    // A call for credentials may be unsigned, so its service may be unknown.
    debug_assert!(other.is_some() || service.is_empty(), "no record says that it signs as `{service}`");
    other.map_or(&Rate::OTHER, |(_, rate)| rate)
}

/// Whether the call is a read. The action's name tells, or the method for REST services.
fn is_read(action: &str) -> bool {
    ["Describe", "List", "Get", "GET", "HEAD", "BatchGet", "BatchCheck"].iter().any(|prefix| action.starts_with(prefix))
}

/// The signing name of the service, and the action, both taken from the request.
fn names(request: &HttpRequest) -> (String, String) {
    let header = |name: &str| request.headers().get(name).unwrap_or_default();
    let service = header("authorization")
        .split_once("Credential=")
        .and_then(|(_, rest)| rest.split(',').next()?.split('/').nth(3))
        .unwrap_or_default();
    if let Some((_, action)) = header("x-amz-target").rsplit_once('.') {
        return (service.to_owned(), action.to_owned());
    }
    if let Some((_, action)) = request.uri().rsplit_once("/operation/") {
        return (service.to_owned(), action.to_owned());
    }
    let body = request.body().bytes().unwrap_or_default();
    let form = std::str::from_utf8(&body[..body.len().min(200)]).unwrap_or_default();
    let action = form.strip_prefix("Action=").and_then(|rest| rest.split('&').next()).unwrap_or(request.method());
    (service.to_owned(), action.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_bucket_lets_a_burst_through_and_then_counts() {
        let rate_of = crate::kinds::rate_of;
        let buckets = Buckets { clock: Clock::new(1000.0), rate_of, levels: Mutex::default() };
        let start = Instant::now();
        for _ in 0..4 {
            buckets.take("ec2", "CreateVpcEndpoint").await;
        }
        let burst = start.elapsed();
        buckets.take("ec2", "CreateVpcEndpoint").await;
        assert!(start.elapsed() > burst, "the fifth waits");
        assert!(start.elapsed().as_secs() < 5);
    }
}
