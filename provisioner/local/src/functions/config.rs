//! What a function's part does. It is a JSON file, which the part reads when it starts.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

/// A function. Its environment is that of the part, because the file must not hold a secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the function, as on AWS.
    pub name: String,
    pub arn: String,
    pub program: PathBuf,
    #[serde(default)]
    pub arguments: Vec<String>,
    /// The value of `_HANDLER`.
    pub handler: String,
    pub memory_mb: u32,
    pub timeout_ms: u64,
    /// The most processes at a time.
    #[serde(default = "default_processes")]
    pub processes: u32,
    /// Whether `processes` is reserved concurrency. Then a request that finds all processes busy is refused, and
    /// asynchronous events wait. Without it all events wait.
    #[serde(default)]
    pub reserved: bool,
    /// The folder in which accepted events are written down.
    pub directory: PathBuf,
    #[serde(default)]
    pub sources: Vec<Source>,
    #[serde(default)]
    pub asynchronous: Asynchronous,
}

/// A source that the part asks or follows by itself. Topics are missing here: the server of messages delivers them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    Queue {
        url: String,
        arn: String,
        /// The most messages of one event.
        batch: usize,
        /// The time to wait for more messages.
        #[serde(default)]
        window_ms: u64,
        /// The most events of this queue at a time. Without it as many as there are processes.
        #[serde(default)]
        most: Option<u32>,
        /// Whether the function answers which messages failed (`ReportBatchItemFailures`).
        #[serde(default)]
        partial: bool,
    },
    /// The stream of a table.
    Table {
        /// The endpoint of DynamoDB: that of all services, or that of the tables alone.
        url: String,
        /// The name of the table.
        table: String,
        from: From,
        /// The most records of one event.
        batch: usize,
        /// The time to wait for more records.
        #[serde(default)]
        window_ms: u64,
        /// How often the same records are tried again. Then they go to the queue of failed events.
        #[serde(default = "default_retries")]
        retries: u32,
        /// Whether records that failed are tried again in halves (`BisectBatchOnFunctionError`).
        #[serde(default = "default_bisect")]
        bisect: bool,
        /// Whether the function answers from which record on it failed (`ReportBatchItemFailures`).
        #[serde(default)]
        partial: bool,
    },
    Schedule {
        /// The ARN of the rule.
        arn: String,
        every_ms: u64,
    },
}

/// Where a function begins to read a stream (`StartingPosition`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// With the oldest record that is there.
    Oldest,
    /// With the first record after the function's part was started for the first time.
    Latest,
}

/// What happens to an event that nobody waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asynchronous {
    /// The waits before each further try. Lambda waits one minute, then two.
    pub retries_ms: Vec<u64>,
    /// The URL of the queue for events that failed each time (`OnFailure`). Without it they are gone.
    pub failed_queue: Option<String>,
}

impl Default for Asynchronous {
    /// The waits of Lambda, ten times shorter.
    fn default() -> Self {
        Asynchronous { retries_ms: vec![6_000, 12_000], failed_queue: None }
    }
}

/// The most processes of a function without reserved concurrency.
pub const PROCESSES: u32 = 8;

fn default_retries() -> u32 {
    3
}

fn default_bisect() -> bool {
    true
}

fn default_processes() -> u32 {
    PROCESSES
}

impl Config {
    pub fn parse(bytes: &[u8]) -> Result<Config> {
        let config: Config = serde_json::from_slice(bytes)?;
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        let name = &config.name;
        ensure!(!name.is_empty() && name.chars().all(is_plain), "`{name}` is not a name of a function");
        ensure!(config.region().is_some(), "`{}` is not an ARN of a function", config.arn);
        ensure!(config.processes > 0, "`{name}` may have no process");
        ensure!(config.timeout_ms > 0, "`{name}` has no time");
        for source in &config.sources {
            match source {
                Source::Queue { batch, window_ms, most, .. } => {
                    ensure!((1..=10_000).contains(batch), "a batch of {batch} messages");
                    ensure!(*batch <= 10 || *window_ms > 0, "a batch of {batch} messages needs a window");
                    ensure!(*most != Some(0), "a queue of `{name}` may have no event");
                }
                Source::Table { batch, table, .. } => {
                    ensure!((1..=10_000).contains(batch), "a batch of {batch} records");
                    let of_same = |it: &&Source| matches!(it, Source::Table { table: other, .. } if other == table);
                    let is_there_once = config.sources.iter().filter(of_same).count() == 1;
                    ensure!(is_there_once, "the table `{table}` is a source of `{name}` twice");
                }
                Source::Schedule { every_ms, .. } => ensure!(*every_ms > 0, "a schedule without a pause"),
            }
        }
        Ok(config)
    }

    /// The region in the ARN.
    pub fn region(&self) -> Option<&str> {
        self.arn.split(':').nth(3).filter(|region| !region.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = r#"{"name": "shop", "arn": "arn:aws:lambda:eu-west-1:000000000000:function:shop", "program": "/bin/a",
        "handler": "shop", "memory_mb": 128, "timeout_ms": 3000, "directory": "/tmp", "sources": [SOURCE]}"#;

    #[test]
    fn what_cannot_be_done_is_refused() {
        let parse = |source: &str| Config::parse(SHOP.replace("SOURCE", source).as_bytes());
        let shop = parse(r#"{"source": "schedule", "arn": "a", "every_ms": 60000}"#).unwrap();
        assert_eq!((shop.processes, shop.reserved, shop.region()), (8, false, Some("eu-west-1")));
        assert_eq!(Config::parse(&serde_json::to_vec(&shop).unwrap()).unwrap(), shop);
        for (source, error) in [
            (r#"{"source": "queue", "url": "u", "arn": "a", "batch": 11}"#, "a batch of 11 messages needs a window"),
            (r#"{"source": "queue", "url": "u", "arn": "a", "batch": 0}"#, "a batch of 0 messages"),
            (
                r#"{"source": "table", "url": "u", "table": "a", "from": "latest", "batch": 10001}"#,
                "a batch of 10001 records",
            ),
            (
                r#"{"source": "table", "url": "u", "table": "a", "from": "oldest", "batch": 1},
                    {"source": "table", "url": "u", "table": "a", "from": "latest", "batch": 1}"#,
                "the table `a` is a source of `shop` twice",
            ),
            (r#"{"source": "schedule", "arn": "a", "every_ms": 0}"#, "a schedule without a pause"),
            (r#"{"source": "schedule", "arn": "a", "every_ms": 1, "each_ms": 1}"#, "unknown field `each_ms`"),
        ] {
            let refused = parse(source).unwrap_err().to_string();
            assert!(refused.contains(error), "{refused}");
        }
    }
}
