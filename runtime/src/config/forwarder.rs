//! The environment of the log forwarder.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;
use std::time::Duration;

use hyper::Uri;

use super::{Aws, Environment, Telemetry, all_or_problems, endpoint, uri};

#[derive(Debug)]
pub struct Forwarder {
    /// The scheme and authority of the search domain, for example `https://vpc-logs-….es.amazonaws.com`.
    pub search: Uri,
    /// The beginning of the names of the indexes. There is one index for each day: `<prefix>-YYYY.MM.DD`.
    pub index_prefix: String,
    /// The beginning of the names of the stack's log groups, before the name of the service: `LOG_GROUPS`. The indexes of such
    /// a group have the name of the service, unless `indexes` has another.
    log_groups: String,
    /// The log groups that have indexes of another name, with the prefix: `INDEXES`, as in `service=index other=index`.
    pub indexes: BTreeMap<String, String>,
    /// The IAM roles that may search, by ARN, each with the pattern of its indexes: `READERS`, as in `role=pattern`, below the
    /// ARN in `READERS_PATH`.
    pub readers: BTreeMap<String, String>,
    /// Days that the search domain keeps an index.
    pub retention_days: u32,
    /// The queue for events that the search domain will never take.
    pub failed: Option<FailedQueue>,
    /// The pause before the first repetition of a request. Each further pause is twice as long.
    pub first_pause: Duration,
    /// The log groups that are shipped: `SHIPPED` is the names of their services, with spaces between.
    pub shipped: Vec<String>,
    /// `AWS_LAMBDA_FUNCTION_NAME`. It tells which subscriptions send to this function.
    pub function: Option<String>,
    /// The endpoint of CloudWatch Logs, where a backfill reads. It is the region's, unless
    /// `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS` or `AWS_ENDPOINT_URL` says otherwise.
    pub logs: Uri,
    pub aws: Aws,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct FailedQueue {
    pub url: String,
    /// The endpoint of SQS. It is the host of the queue's URL, unless `AWS_ENDPOINT_URL_SQS` or `AWS_ENDPOINT_URL` says
    /// otherwise.
    pub sqs: Uri,
}

impl Forwarder {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let endpoint = environment.required("SEARCH_ENDPOINT", &mut problems);
        let index_prefix = environment.required("INDEX_PREFIX", &mut problems);
        let log_groups = environment.get("LOG_GROUPS").unwrap_or_default().to_owned();
        let indexes = pairs("INDEXES", &log_groups, environment, &mut problems);
        let readers_path = environment.get("READERS_PATH").unwrap_or_default();
        let shipped = environment.get("SHIPPED").unwrap_or_default().split_whitespace();
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
            readers: pairs("READERS", readers_path, environment, &mut problems),
            retention_days: environment.parsed("RETENTION_DAYS", 30, "a number of days", &mut problems),
            failed: failed_queue(environment, &mut problems),
            first_pause: Duration::from_millis(100),
            shipped: shipped.map(|name| format!("{log_groups}{name}")).collect(),
            log_groups,
            function: environment.get("AWS_LAMBDA_FUNCTION_NAME").map(str::to_owned),
            logs: logs_uri(environment, &aws.region, &mut problems),
            aws,
            telemetry: Telemetry::read(environment, "forwarder", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Forwarder {
    pub fn index_prefix<'a>(&'a self, log_group: &'a str) -> &'a str {
        let of_service = log_group.strip_prefix(&self.log_groups).filter(|_| !self.log_groups.is_empty());
        let other = self.indexes.get(log_group).map(String::as_str);
        other.or(of_service.filter(|name| is_index_prefix(name))).unwrap_or(&self.index_prefix)
    }

    pub fn index_prefixes(&self) -> BTreeSet<&str> {
        let shipped = self.shipped.iter().map(|group| self.index_prefix(group));
        self.indexes.values().chain(once(&self.index_prefix)).map(String::as_str).chain(shipped).collect()
    }
}

/// Whether a text can begin the name of an index. OpenSearch tolerates some more characters; they are refused here.
fn is_index_prefix(prefix: &str) -> bool {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    prefix.len() <= 200 && prefix.starts_with(lower) && prefix.chars().all(|c| lower(c) || "-_.".contains(c))
}

/// The pairs of a variable such as `a=x b=y`, with `before` in front of each name. The variable is not JSON, because
/// Lambda allows 4 KB for the environment and measures it as JSON, in which each quote of a value is two bytes.
fn pairs(name: &str, before: &str, environment: &Environment, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for pair in environment.get(name).unwrap_or_default().split_whitespace() {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                all.insert(format!("{before}{key}"), value.to_owned());
            }
            _ => {
                problems.push(format!("{name} is not names with `=` and a text, as in `a=x b=y`"));
                break;
            }
        }
    }
    all
}

fn failed_queue(environment: &Environment, problems: &mut Vec<String>) -> Option<FailedQueue> {
    let url = environment.get("FAILED_QUEUE_URL")?.to_owned();
    let sqs = endpoint(environment, "AWS_ENDPOINT_URL_SQS", problems).unwrap_or_else(|| {
        let host =
            url.parse::<Uri>().ok().and_then(|url| Some(format!("{}://{}", url.scheme_str()?, url.authority()?)));
        // `/` is not a host, so this reports the problem.
        uri("FAILED_QUEUE_URL", &host.unwrap_or_else(|| "/".to_owned()), problems)
    });
    Some(FailedQueue { url, sqs })
}

fn logs_uri(environment: &Environment, region: &str, problems: &mut Vec<String>) -> Uri {
    if let Some(uri) = endpoint(environment, "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", problems) {
        return uri;
    }
    let suffix = partition::of(region).map_or("amazonaws.com", |partition| partition.dns_suffix);
    if region.is_empty() { Uri::default() } else { uri("AWS_REGION", &format!("logs.{region}.{suffix}"), problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn logs_are_where_the_partition_of_the_region_is() {
        for (region, expected) in [
            ("eu-west-1", "logs.eu-west-1.amazonaws.com"),
            ("cn-north-1", "logs.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "logs.eusc-de-east-1.amazonaws.eu"),
            ("us-isob-east-1", "logs.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            let mut problems = Vec::new();
            let uri = logs_uri(&environment(&[]), region, &mut problems);
            assert_eq!((uri.host(), problems.len()), (Some(expected), 0), "{region}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_value() {
        let wrong = [
            ("INDEX_PREFIX", "Logs"),
            ("INDEXES", "a=hunter2/"),
            ("READERS", "hunter2"),
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
             READERS is not names with `=` and a text, as in `a=x b=y`; RETENTION_DAYS is not a number of days; \
             FAILED_QUEUE_URL is not a host, or http(s)://host[:port]"
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
    fn debug_does_not_show_the_secret_key() {
        let config = Forwarder::read(&environment(&[
            ("SEARCH_ENDPOINT", "host"),
            ("INDEX_PREFIX", "logs-shop"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("AWS_SESSION_TOKEN", "token-value"),
        ]));
        let shown = format!("{:?}", config.unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("token-value"), "{shown}");
    }
}
