//! Where the stores of a service are, and the credentials that open them. The names of the variables are those that
//! `uses:` of a stack file gives.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;

use super::secrets::Origin;
use super::{Environment, endpoint, uri};

/// A secret. Neither `Debug` nor an error shows it.
#[derive(Clone, PartialEq)]
pub struct Secret(pub String);

/// A MySQL-compatible database. The variables of the primary are `DATABASE_HOST`, `_PORT` (3306), `_NAME`, `_USER`,
/// `_PASSWORD`. Those of the replica are `DATABASE_REPLICA_HOST` and `_REPLICA_PORT` (the primary's).
#[derive(Clone, Debug)]
pub struct Database {
    pub primary: Address,
    pub replica: Option<Address>,
    pub name: String,
    pub user: Login,
    /// `DATABASE_OWNER_USER` and `_PASSWORD`: only the service that owns the schema has them.
    pub owner: Option<Login>,
    pub tls: Tls,
    /// `DATABASE_CONNECTIONS` (10, in a function 1): the most connections at a time, to the primary and to the replica
    /// each.
    pub connections: usize,
    /// The longest life of a connection. Lambda freezes a function between two events, and a connection that was kept
    /// for long may be dead and look alive.
    pub lifetime: Duration,
    /// `DATABASE_REPLICA_MAX_LAG_MS` (5,000): while there is a primary, a replica that is further behind is not read.
    pub max_lag: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret,
    /// The secret that the password came from, if it did not come in a variable.
    pub origin: Option<Origin>,
}

/// `DATABASE_TLS` and `CACHE_TLS`: `verify` (the default: encrypted, certificate and name are checked) or `off`.
/// `DATABASE_CA` and `CACHE_CA`: a PEM file of the authorities to trust instead of the well-known ones.
#[derive(Clone, Debug, PartialEq)]
pub enum Tls {
    Verify { ca: Option<PathBuf> },
    Off,
}

/// Redis or Valkey: `CACHE_HOST`, `CACHE_PORT` (6379), `CACHE_TOKEN`.
#[derive(Clone, Debug)]
pub struct Cache {
    pub address: Address,
    pub token: Option<Secret>,
    pub tls: Tls,
    /// `CACHE_TTL_SECONDS` (600).
    pub ttl: Duration,
}

/// `TOPIC_ARN`, or for one of several topics `ORDERS_TOPIC_ARN`. Its region is where the calls go.
#[derive(Clone, Debug)]
pub struct Topic {
    pub arn: String,
    pub region: String,
}

/// DynamoDB, in the region `AWS_REGION`.
#[derive(Clone, Debug)]
pub struct Tables {
    pub region: String,
    /// It is the region's, unless `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL` says otherwise.
    pub endpoint: Uri,
}

/// `QUEUE_URL`.
#[derive(Clone, Debug)]
pub struct Queue {
    pub url: String,
    pub region: String,
}

impl Database {
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let port = environment.parsed("DATABASE_PORT", 3306, "a port number", problems);
        let replica_port = environment.parsed("DATABASE_REPLICA_PORT", port, "a port number", problems);
        let replica =
            environment.get("DATABASE_REPLICA_HOST").map(|host| Address { host: host.to_owned(), port: replica_port });
        let owner = match (environment.get("DATABASE_OWNER_USER"), environment.get("DATABASE_OWNER_PASSWORD")) {
            (Some(user), Some(password)) => {
                let origin = environment.origin("DATABASE_OWNER_PASSWORD");
                Some(Login { user: user.to_owned(), password: Secret(password.to_owned()), origin })
            }
            (None, None) => None,
            _ => {
                problems
                    .push("DATABASE_OWNER_USER and DATABASE_OWNER_PASSWORD are set together or not at all".to_owned());
                None
            }
        };
        // A function handles one event at a time.
        let (usual, lifetime) = match environment.lambda_handler() {
            Some(_) => (1, Duration::from_secs(60)),
            None => (10, Duration::from_secs(1800)),
        };
        let connections = environment.parsed("DATABASE_CONNECTIONS", usual, "a number", problems);
        if connections == 0 {
            problems.push("DATABASE_CONNECTIONS is 0".to_owned());
        }
        let lag = environment.parsed("DATABASE_REPLICA_MAX_LAG_MS", 5000, "a number of milliseconds", problems);
        Database {
            primary: Address { host: environment.required("DATABASE_HOST", problems), port },
            replica,
            name: environment.required("DATABASE_NAME", problems),
            user: Login {
                user: environment.required("DATABASE_USER", problems),
                password: Secret(environment.required("DATABASE_PASSWORD", problems)),
                origin: environment.origin("DATABASE_PASSWORD"),
            },
            owner,
            tls: Tls::read(environment, "DATABASE", problems),
            connections,
            lifetime,
            max_lag: Duration::from_millis(lag),
        }
    }
}

impl Cache {
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let ttl = environment.parsed("CACHE_TTL_SECONDS", 600, "a number of seconds", problems);
        if ttl == 0 {
            problems.push("CACHE_TTL_SECONDS is 0".to_owned());
        }
        Cache {
            address: Address {
                host: environment.required("CACHE_HOST", problems),
                port: environment.parsed("CACHE_PORT", 6379, "a port number", problems),
            },
            token: environment.get("CACHE_TOKEN").map(|token| Secret(token.to_owned())),
            tls: Tls::read(environment, "CACHE", problems),
            ttl: Duration::from_secs(ttl),
        }
    }
}

impl Topic {
    /// The only topic of a role.
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        Topic::of("TOPIC_ARN", environment, problems)
    }

    /// One of the topics of a role that has several: the one that has this name in the stack file.
    pub fn named(name: &str, environment: &Environment, problems: &mut Vec<String>) -> Self {
        Topic::of(&format!("{}_TOPIC_ARN", in_capitals(name)), environment, problems)
    }

    fn of(variable: &str, environment: &Environment, problems: &mut Vec<String>) -> Self {
        let arn = environment.required(variable, problems);
        let region = arn.split(':').nth(3).unwrap_or_default().to_owned();
        if !arn.is_empty() && (!arn.starts_with("arn:") || region.is_empty()) {
            problems.push(format!("{variable} is not the ARN of a topic"));
        }
        Topic { arn, region }
    }
}

impl Queue {
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let url = environment.required("QUEUE_URL", problems);
        if !url.is_empty() && !url.starts_with("http://") && !url.starts_with("https://") {
            problems.push("QUEUE_URL is not the URL of a queue".to_owned());
        }
        // The region is in `https://sqs.REGION.amazonaws.com/…`. For another endpoint the environment has to say it.
        let of_url = url.split("//sqs.").nth(1).and_then(|rest| rest.split('.').next());
        let region = of_url.or(environment.get("AWS_REGION")).map(str::to_owned);
        let region = region.unwrap_or_else(|| environment.required("AWS_REGION", problems));
        Queue { url, region }
    }
}

impl Tables {
    pub fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        let region = environment.required("AWS_REGION", problems);
        let endpoint = endpoint(environment, "AWS_ENDPOINT_URL_DYNAMODB", problems);
        let of_region = |problems| {
            let suffix = partition::of(&region).map_or("amazonaws.com", |partition| partition.dns_suffix);
            if region.is_empty() {
                Uri::default()
            } else {
                uri("AWS_REGION", &format!("dynamodb.{region}.{suffix}"), problems)
            }
        };
        Tables { endpoint: endpoint.unwrap_or_else(|| of_region(problems)), region }
    }
}

/// The name of the table that has this name in the stack file: `LATE_ORDERS_TABLE`, of the table `late-orders`.
pub fn table(name: &str, environment: &Environment, problems: &mut Vec<String>) -> String {
    environment.required(&format!("{}_TABLE", in_capitals(name)), problems)
}

/// A name of the stack file as variables have it.
fn in_capitals(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

impl Tls {
    fn read(environment: &Environment, prefix: &str, problems: &mut Vec<String>) -> Self {
        let ca = environment.get(&format!("{prefix}_CA")).map(PathBuf::from);
        match environment.get(&format!("{prefix}_TLS")) {
            None | Some("verify") => Tls::Verify { ca },
            Some("off") => Tls::Off,
            Some(_) => {
                problems.push(format!("{prefix}_TLS is not `verify` or `off`"));
                Tls::Off
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_topics_has_its_name_in_front() {
        let arn = |name: &str| format!("arn:aws:sns:eu-west-1:123456789012:{name}");
        let variables =
            [("TOPIC_ARN", arn("only")), ("LATE_ORDERS_TOPIC_ARN", arn("orders")), ("ODD_TOPIC_ARN", "x".into())];
        let environment: Environment = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut problems = Vec::new();
        let only = Topic::read(&environment, &mut problems);
        let named = Topic::named("late-orders", &environment, &mut problems);
        assert_eq!((only.arn, named.arn, named.region), (arn("only"), arn("orders"), "eu-west-1".to_owned()));
        assert!(problems.is_empty());
        Topic::named("odd", &environment, &mut problems);
        Topic::named("none", &environment, &mut problems);
        assert_eq!(problems, ["ODD_TOPIC_ARN is not the ARN of a topic", "NONE_TOPIC_ARN is not set"]);
    }

    #[test]
    fn tables_are_where_the_partition_of_the_region_is_unless_an_endpoint_is_named() {
        for (variables, expected) in [
            (&[("AWS_REGION", "eu-west-1")][..], "https://dynamodb.eu-west-1.amazonaws.com/"),
            (&[("AWS_REGION", "cn-north-1")], "https://dynamodb.cn-north-1.amazonaws.com.cn/"),
            (&[("AWS_REGION", "x"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")], "http://127.0.0.1:1/"),
            (
                &[
                    ("AWS_REGION", "x"),
                    ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
                    ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:2"),
                ],
                "http://127.0.0.1:2/",
            ),
        ] {
            let environment: Environment =
                variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let mut problems = Vec::new();
            assert_eq!(Tables::read(&environment, &mut problems).endpoint.to_string(), expected);
            assert!(problems.is_empty(), "{problems:?}");
        }
        let environment: Environment =
            [("LATE_ORDERS_TABLE".to_owned(), "shop-dev-late".to_owned())].into_iter().collect();
        let mut problems = Vec::new();
        assert_eq!(table("late-orders", &environment, &mut problems), "shop-dev-late");
        table("orders", &environment, &mut problems);
        Tables::read(&environment, &mut problems);
        assert_eq!(problems, ["ORDERS_TABLE is not set", "AWS_REGION is not set"]);
    }
}
