//! Everything that is read from the environment: once, at the start, one struct per role.

pub mod stores;

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aws_credential_types::Credentials;
use hyper::{StatusCode, Uri};

use self::stores::{Cache, Database, Queue, Topic};

use crate::telemetry::Level;

pub const DEFAULT_PORT: u16 = 8080;

/// The environment as a value, so that a test can have its own.
pub struct Environment(BTreeMap<String, String>);

#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    pub service: String,
    pub level: Level,
}

#[derive(Debug)]
pub struct Serve {
    pub listen: SocketAddr,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct Reservation {
    pub serve: Serve,
    pub database: Database,
    pub cache: Cache,
    pub topic: Topic,
    /// Of a request that is wrong: `INVALID_INPUT_STATUS`, 400, or 404 as the system before us answered.
    pub invalid_input: StatusCode,
}

#[derive(Debug)]
pub struct Lookup {
    pub serve: Serve,
    pub database: Database,
    pub cache: Cache,
}

#[derive(Debug)]
pub struct Notification {
    pub serve: Serve,
    pub database: Database,
    pub queue: Queue,
    /// `WEBHOOKS`: a JSON object of drivers and the URLs that each notification is posted to.
    pub webhooks: BTreeMap<String, Uri>,
}

/// `runtime migrate`.
#[derive(Debug)]
pub struct Migrate {
    pub database: Database,
    pub telemetry: Telemetry,
}

/// `runtime probe`. What is not set is a hop that is passed over.
#[derive(Debug)]
pub struct Probe {
    /// `PROBE_URL`: the public entry, as a browser would have it.
    pub entry: Uri,
    pub database: Option<Database>,
    /// `SEARCH_ENDPOINT`, and `PROBE_INDEX` (`*`) in it.
    pub search: Option<Uri>,
    pub index: String,
    pub region: String,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct Forwarder {
    /// Scheme and authority only, for example `https://vpc-logs-….es.amazonaws.com`.
    pub search: Uri,
    /// Of the indexes, one for each day: `<prefix>-YYYY.MM.DD`.
    pub index_prefix: String,
    /// The log groups that have indexes of their own, with the prefix: `INDEXES` is a JSON object of them.
    pub indexes: BTreeMap<String, String>,
    /// Days that the search domain keeps an index.
    pub retention_days: u32,
    /// The queue for events that the search domain will never take.
    pub failed: Option<FailedQueue>,
    /// Before something is tried again for the first time; it doubles from there.
    pub first_pause: Duration,
    /// The log groups that are shipped, each with the pattern of its subscription: `SHIPPED` is a JSON object of them.
    pub shipped: BTreeMap<String, String>,
    /// CloudWatch Logs, where a backfill reads: of the region, unless `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS` or
    /// `AWS_ENDPOINT_URL` says otherwise.
    pub logs: Uri,
    pub aws: Aws,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct FailedQueue {
    pub url: String,
    /// Of the queue's own host, unless `AWS_ENDPOINT_URL_SQS` or `AWS_ENDPOINT_URL` says otherwise.
    pub sqs: Uri,
}

/// What Lambda gives each function.
#[derive(Debug)]
pub struct Aws {
    pub region: String,
    /// `Debug` of this type hides the secret parts.
    pub credentials: Credentials,
}

impl Environment {
    pub fn of_this_process() -> Self {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value))).collect()
    }

    /// The role that Lambda asks for, when this process was started by Lambda.
    pub fn lambda_handler(&self) -> Option<String> {
        self.get("AWS_LAMBDA_RUNTIME_API")?;
        Some(self.get("_HANDLER").unwrap_or_default().to_owned())
    }

    /// `host:port` of the Lambda Runtime API.
    pub fn lambda_runtime_api(&self) -> anyhow::Result<String> {
        let mut problems = Vec::new();
        let api = self.required("AWS_LAMBDA_RUNTIME_API", &mut problems);
        all_or_problems(api, problems)
    }

    /// The port alone, for the health check, which must not fail for another variable's sake.
    pub fn port(&self) -> anyhow::Result<u16> {
        let mut problems = Vec::new();
        let port = self.parsed("PORT", DEFAULT_PORT, "a port number", &mut problems);
        all_or_problems(port, problems)
    }

    /// A variable that is set to nothing counts as not set: task definitions cannot leave one out conditionally.
    fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    fn required(&self, name: &str, problems: &mut Vec<String>) -> String {
        let value = self.get(name);
        if value.is_none() {
            problems.push(format!("{name} is not set"));
        }
        value.unwrap_or_default().to_owned()
    }

    /// The value itself is never quoted in a problem: whoever mixes two variables up would log a secret.
    fn parsed<T: std::str::FromStr>(&self, name: &str, default: T, expected: &str, problems: &mut Vec<String>) -> T {
        match self.get(name).map(str::parse) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(_)) => {
                problems.push(format!("{name} is not {expected}"));
                default
            }
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Environment(variables.into_iter().collect())
    }
}

impl Telemetry {
    fn read(environment: &Environment, service: &str, problems: &mut Vec<String>) -> Self {
        Telemetry {
            service: environment.get("SERVICE_NAME").unwrap_or(service).to_owned(),
            level: environment.parsed("LOG_LEVEL", Level::Info, "one of debug, info, warn, error", problems),
        }
    }
}

impl Serve {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Serve::of(environment, "hello", &mut problems);
        all_or_problems(config, problems)
    }

    fn of(environment: &Environment, service: &str, problems: &mut Vec<String>) -> Self {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let host = environment.parsed("HOST", everywhere, "an IP address", problems);
        let port = environment.parsed("PORT", DEFAULT_PORT, "a port number", problems);
        Serve { listen: SocketAddr::new(host, port), telemetry: Telemetry::read(environment, service, problems) }
    }
}

impl Reservation {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let status = environment.get("INVALID_INPUT_STATUS").unwrap_or("400");
        let invalid_input = match status {
            "400" => StatusCode::BAD_REQUEST,
            "404" => StatusCode::NOT_FOUND,
            _ => {
                problems.push("INVALID_INPUT_STATUS is not 400 or 404".to_owned());
                StatusCode::BAD_REQUEST
            }
        };
        let config = Reservation {
            serve: Serve::of(environment, "reservation", &mut problems),
            database: Database::read(environment, &mut problems),
            cache: Cache::read(environment, &mut problems),
            topic: Topic::read(environment, &mut problems),
            invalid_input,
        };
        all_or_problems(config, problems)
    }
}

impl Lookup {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Lookup {
            serve: Serve::of(environment, "lookup", &mut problems),
            database: Database::read(environment, &mut problems),
            cache: Cache::read(environment, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Notification {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Notification {
            serve: Serve::of(environment, "notification", &mut problems),
            database: Database::read(environment, &mut problems),
            queue: Queue::read(environment, &mut problems),
            webhooks: webhooks(environment, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Migrate {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Migrate {
            database: Database::read(environment, &mut problems),
            telemetry: Telemetry::read(environment, "migrate", &mut problems),
        };
        if config.database.owner.is_none() {
            problems.push("DATABASE_OWNER_USER and DATABASE_OWNER_PASSWORD are not set".to_owned());
        }
        all_or_problems(config, problems)
    }
}

impl Forwarder {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let endpoint = environment.required("SEARCH_ENDPOINT", &mut problems);
        let index_prefix = environment.required("INDEX_PREFIX", &mut problems);
        let indexes = groups("INDEXES", environment, &mut problems);
        for (name, prefix) in once(("INDEX_PREFIX", &index_prefix)).chain(indexes.values().map(|own| ("INDEXES", own)))
        {
            if !prefix.is_empty() && !is_index_prefix(prefix) {
                problems.push(format!(
                    "{name} is not lower-case letters, digits, `-`, `_` and `.` after a letter or digit"
                ));
            }
        }
        let aws = Aws::read(environment, &mut problems);
        let config = Forwarder {
            search: uri("SEARCH_ENDPOINT", &endpoint, &mut problems),
            index_prefix,
            indexes,
            retention_days: environment.parsed("RETENTION_DAYS", 30, "a number of days", &mut problems),
            failed: failed_queue(environment, &mut problems),
            first_pause: Duration::from_millis(100),
            shipped: groups("SHIPPED", environment, &mut problems),
            logs: logs_uri(environment, &aws.region, &mut problems),
            aws,
            telemetry: Telemetry::read(environment, "forwarder", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Forwarder {
    pub fn index_prefix(&self, log_group: &str) -> &str {
        self.indexes.get(log_group).unwrap_or(&self.index_prefix)
    }

    pub fn index_prefixes(&self) -> BTreeSet<&str> {
        self.indexes.values().chain(once(&self.index_prefix)).map(String::as_str).collect()
    }
}

impl Aws {
    fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        Aws {
            region: environment.required("AWS_REGION", problems),
            credentials: Credentials::new(
                environment.required("AWS_ACCESS_KEY_ID", problems),
                environment.required("AWS_SECRET_ACCESS_KEY", problems),
                environment.get("AWS_SESSION_TOKEN").map(str::to_owned),
                None,
                "environment",
            ),
        }
    }
}

impl Probe {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let entry = environment.required("PROBE_URL", &mut problems);
        let database = environment.get("DATABASE_HOST").map(|_| Database::read(environment, &mut problems));
        let search = environment.get("SEARCH_ENDPOINT");
        let config = Probe {
            entry: uri("PROBE_URL", &entry, &mut problems),
            database,
            search: search.map(|search| uri("SEARCH_ENDPOINT", search, &mut problems)),
            index: environment.get("PROBE_INDEX").unwrap_or("*").to_owned(),
            region: environment.get("AWS_REGION").unwrap_or("us-east-1").to_owned(),
            telemetry: Telemetry::read(environment, "probe", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

fn all_or_problems<T>(config: T, problems: Vec<String>) -> anyhow::Result<T> {
    if problems.is_empty() {
        return Ok(config);
    }
    anyhow::bail!("configuration: {}", problems.join("; "))
}

/// A JSON object of log groups, each with a text.
fn groups(name: &str, environment: &Environment, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let Some(text) = environment.get(name) else { return BTreeMap::new() };
    serde_json::from_str(text).unwrap_or_else(|_| {
        problems.push(format!("{name} is not a JSON object of log groups and texts"));
        BTreeMap::new()
    })
}

fn webhooks(environment: &Environment, problems: &mut Vec<String>) -> BTreeMap<String, Uri> {
    let Some(text) = environment.get("WEBHOOKS") else { return BTreeMap::new() };
    let Ok(urls) = serde_json::from_str::<BTreeMap<String, String>>(text) else {
        problems.push("WEBHOOKS is not a JSON object of drivers and URLs".to_owned());
        return BTreeMap::new();
    };
    let mut webhooks = BTreeMap::new();
    for (driver, url) in urls {
        match url.parse::<Uri>() {
            Ok(uri) if matches!(uri.scheme_str(), Some("https" | "http")) && driver.len() <= 100 => {
                webhooks.insert(driver, uri);
            }
            // The URL is not quoted: people put tokens into them.
            _ => problems.push(format!("WEBHOOKS: `{driver}` is longer than 100 bytes or has no http(s) URL")),
        }
    }
    webhooks
}

fn failed_queue(environment: &Environment, problems: &mut Vec<String>) -> Option<FailedQueue> {
    let url = environment.get("FAILED_QUEUE_URL")?.to_owned();
    let sqs = endpoint(environment, "AWS_ENDPOINT_URL_SQS", problems).unwrap_or_else(|| {
        let host =
            url.parse::<Uri>().ok().and_then(|url| Some(format!("{}://{}", url.scheme_str()?, url.authority()?)));
        // Something that is no host, so that the problem is told.
        uri("FAILED_QUEUE_URL", &host.unwrap_or_else(|| "/".to_owned()), problems)
    });
    Some(FailedQueue { url, sqs })
}

fn logs_uri(environment: &Environment, region: &str, problems: &mut Vec<String>) -> Uri {
    if let Some(uri) = endpoint(environment, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", problems) {
        return uri;
    }
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    if region.is_empty() { Uri::default() } else { uri("AWS_REGION", &format!("logs.{region}.{suffix}"), problems) }
}

/// Where a service of AWS is, when it is said: for all services, or for this one.
fn endpoint(environment: &Environment, of_service: &str, problems: &mut Vec<String>) -> Option<Uri> {
    let of = |name| Some((name, environment.get(name)?));
    let (name, endpoint) = of(of_service).or_else(|| of("AWS_ENDPOINT_URL"))?;
    Some(uri(name, endpoint, problems))
}

/// `https://` when no scheme is given, as OpenSearch's own `Endpoint` has none.
fn uri(name: &str, endpoint: &str, problems: &mut Vec<String>) -> Uri {
    let with_scheme = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") };
    let plain = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.path() == "/"
            && uri.query().is_none()
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
    };
    match with_scheme.parse::<Uri>() {
        Ok(uri) if plain(&uri) => uri,
        _ if endpoint.is_empty() => Uri::default(),
        _ => {
            problems.push(format!("{name} is not a host, or http(s)://host[:port]"));
            Uri::default()
        }
    }
}

/// What OpenSearch allows in the name of an index, less what it merely tolerates.
fn is_index_prefix(prefix: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    prefix.len() <= 200 && prefix.starts_with(lower) && prefix.chars().all(|c| lower(c) || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_serve_on_every_address() {
        let config = Serve::read(&environment(&[("PORT", " ")])).unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.telemetry.service, "hello");
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_value() {
        let wrong = environment(&[("PORT", "hunter2"), ("LOG_LEVEL", "loud"), ("HOST", "x")]);
        assert_eq!(
            Serve::read(&wrong).unwrap_err().to_string(),
            "configuration: HOST is not an IP address; PORT is not a port number; \
             LOG_LEVEL is not one of debug, info, warn, error"
        );
        let wrong = [
            ("INDEX_PREFIX", "Logs"),
            ("INDEXES", r#"{"/a":"hunter2/"}"#),
            ("SHIPPED", "hunter2"),
            ("RETENTION_DAYS", "hunter2"),
            ("FAILED_QUEUE_URL", "hunter2"),
        ];
        let error = Forwarder::read(&environment(&wrong)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "configuration: SEARCH_ENDPOINT is not set; \
             INDEX_PREFIX is not lower-case letters, digits, `-`, `_` and `.` after a letter or digit; \
             INDEXES is not lower-case letters, digits, `-`, `_` and `.` after a letter or digit; \
             AWS_REGION is not set; AWS_ACCESS_KEY_ID is not set; AWS_SECRET_ACCESS_KEY is not set; \
             RETENTION_DAYS is not a number of days; FAILED_QUEUE_URL is not a host, or http(s)://host[:port]; \
             SHIPPED is not a JSON object of log groups and texts"
        );
    }

    #[test]
    fn the_queue_is_where_its_url_is_unless_an_endpoint_is_named() {
        let url = ("FAILED_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/failed");
        let mut problems = Vec::new();
        for (more, expected) in [
            (("X", ""), "https://sqs.eu-west-1.amazonaws.com/"),
            (("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"), "http://127.0.0.1:4566/"),
        ] {
            let queue = failed_queue(&environment(&[url, more]), &mut problems).unwrap();
            assert_eq!((queue.sqs.to_string().as_str(), queue.url.as_str()), (expected, url.1));
        }
        assert!(problems.is_empty());
    }

    #[test]
    fn the_search_endpoint_may_come_without_a_scheme() {
        for (given, expected) in [
            ("vpc-a.es.amazonaws.com", Some("https://vpc-a.es.amazonaws.com/")),
            ("https://vpc-a.es.amazonaws.com", Some("https://vpc-a.es.amazonaws.com/")),
            ("http://127.0.0.1:9200", Some("http://127.0.0.1:9200/")),
            ("https://user:secret@host", None),
            ("ftp://host", None),
            ("https://host/path", None),
            ("not a host", None),
        ] {
            let mut problems = Vec::new();
            let uri = uri("SEARCH_ENDPOINT", given, &mut problems);
            assert_eq!(problems.is_empty(), expected.is_some(), "{given}");
            if let Some(expected) = expected {
                assert_eq!(uri.to_string(), expected);
            }
        }
    }

    #[test]
    fn debug_does_not_show_the_secret_key() {
        let config = Forwarder::read(&environment(&[
            ("SEARCH_ENDPOINT", "host"),
            ("INDEX_PREFIX", "logs-sendy"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "token-value"),
        ]));
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("token-value"), "{shown}");
    }
}
