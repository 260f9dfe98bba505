//! The variables that the roles of this system read from the environment.

use std::fmt;

use hyper::{StatusCode, Uri};

use crate::config::stores::{self, Database, Topic};
use crate::config::tokens::Tokens;
use crate::config::{Environment, Serve, Telemetry, all_or_problems};

#[derive(Debug)]
pub struct User {
    pub serve: Serve,
    pub database: Database,
    pub tokens: Tokens,
    /// `PASSWORD_HASHES` (4): how many passwords are hashed at a time.
    pub hashes: usize,
    pub statuses: Statuses,
}

#[derive(Debug)]
pub struct Main {
    pub serve: Serve,
    pub database: Database,
    pub tokens: Tokens,
    pub tables: stores::Tables,
    pub marathons: String,
    pub players: String,
    pub official_records: String,
    pub non_official_records: String,
    pub statuses: Statuses,
}

#[derive(Debug)]
pub struct OfficialRecord {
    pub topic: Topic,
    pub tables: stores::Tables,
    pub marathons: String,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct PointIncrease {
    pub database: Database,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct Webhook {
    pub tables: stores::Tables,
    pub announcements: String,
    /// `DISCORD_WEBHOOK_URL`. Without one nobody is told.
    pub channel: Option<Channel>,
    pub telemetry: Telemetry,
}

/// The address of a channel. Who knows it can write there, so nothing shows it.
pub struct Channel(pub Uri);

/// `COMPAT_STATUS`: which statuses refusals have that the system before answered in its own way. `original` is that way. The
/// texts are the same, and so is what is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Statuses {
    #[default]
    Ours,
    Original,
}

/// The most passwords that are hashed at a time: each takes 19 MiB.
const MOST_HASHES: usize = 64;

impl User {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = User {
            serve: Serve::of(environment, "user", &mut problems),
            database: Database::read(environment, &mut problems),
            tokens: Tokens::read(environment, &mut problems),
            hashes: environment.parsed("PASSWORD_HASHES", 4, "a number", &mut problems),
            statuses: Statuses::read(environment, &mut problems),
        };
        if !(1..=MOST_HASHES).contains(&config.hashes) {
            problems.push(format!("PASSWORD_HASHES is not between 1 and {MOST_HASHES}"));
        }
        all_or_problems(config, problems)
    }
}

impl Main {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Main {
            serve: Serve::of(environment, "main", &mut problems),
            database: Database::read(environment, &mut problems),
            tokens: Tokens::read(environment, &mut problems),
            tables: stores::Tables::read(environment, &mut problems),
            marathons: stores::table("marathons", environment, &mut problems),
            players: stores::table("players", environment, &mut problems),
            official_records: stores::table("official-records", environment, &mut problems),
            non_official_records: stores::table("non-official-records", environment, &mut problems),
            statuses: Statuses::read(environment, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl OfficialRecord {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = OfficialRecord {
            topic: Topic::read(environment, &mut problems),
            tables: stores::Tables::read(environment, &mut problems),
            marathons: stores::table("marathons", environment, &mut problems),
            telemetry: Telemetry::read(environment, "official-record", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl PointIncrease {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = PointIncrease {
            database: Database::read(environment, &mut problems),
            telemetry: Telemetry::read(environment, "point-increase", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Webhook {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Webhook {
            tables: stores::Tables::read(environment, &mut problems),
            announcements: stores::table("announcements", environment, &mut problems),
            channel: environment.get("DISCORD_WEBHOOK_URL").and_then(|url| channel(url, &mut problems)),
            telemetry: Telemetry::read(environment, "webhook", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Statuses {
    fn read(environment: &Environment, problems: &mut Vec<String>) -> Self {
        match environment.get("COMPAT_STATUS") {
            None => Statuses::Ours,
            Some("original") => Statuses::Original,
            Some(_) => {
                problems.push("COMPAT_STATUS is not `original`".to_owned());
                Statuses::Ours
            }
        }
    }

    /// The status for somebody who may not do what he asks for.
    pub fn denied(self, status: StatusCode) -> StatusCode {
        if self == Statuses::Original { StatusCode::OK } else { status }
    }

    /// The status for a wrong password.
    pub fn unauthorized(self) -> StatusCode {
        if self == Statuses::Original { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::UNAUTHORIZED }
    }
}

/// A problem does not quote the address.
fn channel(url: &str, problems: &mut Vec<String>) -> Option<Channel> {
    let url = url.parse::<Uri>().ok().filter(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    if url.is_none() {
        problems.push("DISCORD_WEBHOOK_URL is not an http or https URL".to_owned());
    }
    url.map(Channel)
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_address_of_a_channel_is_shown_nowhere() {
        let all = [("AWS_REGION", "eu-west-1"), ("ANNOUNCEMENTS_TABLE", "a")];
        let read = |url| Webhook::read(&environment(&[&all[..], &[("DISCORD_WEBHOOK_URL", url)]].concat()));
        let known = read("https://discord.example/api/webhooks/1/hunter2").unwrap();
        assert!(known.channel.is_some() && !format!("{known:?}").contains("hunter2"));
        assert!(read("").unwrap().channel.is_none());
        for wrong in ["hunter2", "ftp://hunter2/", "https://", "/hunter2"] {
            let error = read(wrong).unwrap_err().to_string();
            assert_eq!(error, "configuration: DISCORD_WEBHOOK_URL is not an http or https URL", "{wrong}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = [("PASSWORD_HASHES", "0"), ("COMPAT_STATUS", "ours"), ("DATABASE_PORT", "x")];
        assert_eq!(
            User::read(&environment(&wrong)).unwrap_err().to_string(),
            "configuration: DATABASE_PORT is not a port number; DATABASE_HOST is not set; DATABASE_NAME is not set; \
             DATABASE_USER is not set; DATABASE_PASSWORD is not set; TOKEN_KEY is not set; \
             COMPAT_STATUS is not `original`; PASSWORD_HASHES is not between 1 and 64"
        );
        assert_eq!(
            OfficialRecord::read(&environment(&[])).unwrap_err().to_string(),
            "configuration: TOPIC_ARN is not set; AWS_REGION is not set; MARATHONS_TABLE is not set"
        );
    }
}
