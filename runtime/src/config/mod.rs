//! Everything that the runtime reads from the environment. It is read once, at the start, into one struct for each
//! role. If only one system reads a variable, the code is in the folder of that system.

mod forwarder;
pub mod secrets;
pub mod stores;
pub mod tokens;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use aws_credential_types::Credentials;
use hyper::{StatusCode, Uri};

pub use self::forwarder::{FailedQueue, Forwarder};
use self::secrets::Origin;
use self::stores::Database;
use crate::telemetry::Level;

pub const DEFAULT_PORT: u16 = 8080;

/// The environment as a value, so that a test can have its own.
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The secrets that the values of some variables came from.
    origins: BTreeMap<String, Origin>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    pub service: String,
    pub level: Level,
}

#[derive(Clone, Debug)]
pub struct Serve {
    pub listen: SocketAddr,
    pub telemetry: Telemetry,
    /// The status of the answer to a request that is wrong. `INVALID_INPUT_STATUS` sets it: 400, or 404 as the system
    /// before us answered.
    pub invalid_input: StatusCode,
}

/// The configuration of `runtime migrate`.
#[derive(Debug)]
pub struct Migrate {
    pub database: Database,
    pub telemetry: Telemetry,
}

/// The variables that Lambda gives to each function.
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

    /// Only the port, for the health check. The health check must not fail because another variable is wrong.
    pub fn port(&self) -> anyhow::Result<u16> {
        let mut problems = Vec::new();
        let port = self.parsed("PORT", DEFAULT_PORT, "a port number", &mut problems);
        all_or_problems(port, problems)
    }

    /// The value of a variable. An empty variable counts as not set, because a task definition cannot leave a variable
    /// out on a condition.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?.trim();
        (!value.is_empty()).then_some(value)
    }

    /// The variables that are set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.keys().filter_map(|name| Some((name.as_str(), self.get(name)?)))
    }

    /// The secret that the value of a variable came from.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        self.origins.get(name).cloned()
    }

    pub fn required(&self, name: &str, problems: &mut Vec<String>) -> String {
        let value = self.get(name);
        if value.is_none() {
            problems.push(format!("{name} is not set"));
        }
        value.unwrap_or_default().to_owned()
    }

    /// Parses a variable. A problem never quotes the value: if somebody mixes two variables up, the value may be a
    /// secret.
    pub fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        default: T,
        expected: &str,
        problems: &mut Vec<String>,
    ) -> T {
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
        Environment { variables: variables.into_iter().collect(), origins: BTreeMap::new() }
    }
}

impl Telemetry {
    pub fn read(environment: &Environment, service: &str, problems: &mut Vec<String>) -> Self {
        Telemetry {
            service: environment.get("SERVICE_NAME").unwrap_or(service).to_owned(),
            level: environment.parsed("LOG_LEVEL", Level::Info, "one of debug, info, warn, error", problems),
        }
    }
}

impl Serve {
    /// Reads the configuration of a role that has nothing else to configure. `service` is its name, unless
    /// `SERVICE_NAME` has another.
    pub fn read(environment: &Environment, service: &str) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Serve::of(environment, service, &mut problems);
        all_or_problems(config, problems)
    }

    pub fn of(environment: &Environment, service: &str, problems: &mut Vec<String>) -> Self {
        let everywhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let host = environment.parsed("HOST", everywhere, "an IP address", problems);
        let port = environment.parsed("PORT", DEFAULT_PORT, "a port number", problems);
        let invalid_input = match environment.get("INVALID_INPUT_STATUS").unwrap_or("400") {
            "400" => StatusCode::BAD_REQUEST,
            "404" => StatusCode::NOT_FOUND,
            _ => {
                problems.push("INVALID_INPUT_STATUS is not 400 or 404".to_owned());
                StatusCode::BAD_REQUEST
            }
        };
        let telemetry = Telemetry::read(environment, service, problems);
        Serve { listen: SocketAddr::new(host, port), telemetry, invalid_input }
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

/// The configuration, or one error that names every problem.
pub fn all_or_problems<T>(config: T, problems: Vec<String>) -> anyhow::Result<T> {
    if problems.is_empty() {
        return Ok(config);
    }
    anyhow::bail!("configuration: {}", problems.join("; "))
}

/// Scheme and authority of an endpoint. The scheme is `https://` if none is given, because OpenSearch's own `Endpoint`
/// has none.
pub fn uri(name: &str, endpoint: &str, problems: &mut Vec<String>) -> Uri {
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

/// The endpoint of an AWS service, if the environment names one for this service or for all services.
fn endpoint(environment: &Environment, of_service: &str, problems: &mut Vec<String>) -> Option<Uri> {
    let of = |name| Some((name, environment.get(name)?));
    let (name, endpoint) = of(of_service).or_else(|| of("AWS_ENDPOINT_URL"))?;
    Some(uri(name, endpoint, problems))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn defaults_serve_on_every_address() {
        let config = Serve::read(&environment(&[("PORT", " ")]), "role").unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.telemetry.service, "role");
    }

    #[test]
    fn every_mistake_is_told_at_once_and_no_value() {
        let wrong = environment(&[("PORT", "hunter2"), ("LOG_LEVEL", "loud"), ("HOST", "x")]);
        assert_eq!(
            Serve::read(&wrong, "role").unwrap_err().to_string(),
            "configuration: HOST is not an IP address; PORT is not a port number; \
             LOG_LEVEL is not one of debug, info, warn, error"
        );
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
}
