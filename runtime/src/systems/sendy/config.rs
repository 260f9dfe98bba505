//! The variables that the roles of Sendy, and its probe, read from the environment.

use std::collections::BTreeMap;

use hyper::Uri;

use crate::config::stores::{Cache, Database, Queue, Topic};
use crate::config::{Environment, Serve, Telemetry, all_or_problems, uri};

#[derive(Debug)]
pub struct Reservation {
    pub serve: Serve,
    pub database: Database,
    pub cache: Cache,
    pub topic: Topic,
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

/// The configuration of `runtime probe`. If a variable is not set, its hop is passed over.
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

impl Reservation {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Reservation {
            serve: Serve::of(environment, "reservation", &mut problems),
            database: Database::read(environment, &mut problems),
            cache: Cache::read(environment, &mut problems),
            topic: Topic::read(environment, &mut problems),
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

/// The drivers with the URLs that `WEBHOOKS` has for them.
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
            // The URL is not quoted, because people put tokens into URLs.
            _ => problems.push(format!("WEBHOOKS: `{driver}` is longer than 100 bytes or has no http(s) URL")),
        }
    }
    webhooks
}
