//! The variables that the roles of the shop read from the environment.

use hyper::Uri;

use super::shop;
use crate::config::stores::{Database, Secret, Topic};
use crate::config::{Environment, Telemetry, all_or_problems, uri};

#[derive(Debug)]
pub struct Shop {
    pub database: Database,
    pub topics: Vec<(&'static str, Topic)>,
    /// `ADMIN_KEY`: the key of those who may set a stock.
    pub admin_key: Secret,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct Order {
    /// `FACTORY_URL`: the scheme and the authority of the factory.
    pub factory: Uri,
    /// `ORDER_FACTOR` (1): how much is produced for one that is missing.
    pub factor: u32,
    pub telemetry: Telemetry,
}

#[derive(Debug)]
pub struct Delivery {
    pub database: Database,
    pub telemetry: Telemetry,
}

/// The largest `ORDER_FACTOR`.
pub const LARGEST_FACTOR: u32 = 10;

impl Shop {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Shop {
            database: Database::read(environment, &mut problems),
            topics: shop::TOPICS.read(environment, &mut problems),
            admin_key: Secret(environment.required("ADMIN_KEY", &mut problems)),
            telemetry: Telemetry::read(environment, "shop", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Order {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let factory = environment.required("FACTORY_URL", &mut problems);
        let config = Order {
            factory: uri("FACTORY_URL", &factory, &mut problems),
            factor: environment.parsed("ORDER_FACTOR", 1, "a number", &mut problems),
            telemetry: Telemetry::read(environment, "order", &mut problems),
        };
        if !(1..=LARGEST_FACTOR).contains(&config.factor) {
            problems.push(format!("ORDER_FACTOR is not 1 to {LARGEST_FACTOR}"));
        }
        all_or_problems(config, problems)
    }
}

impl Delivery {
    pub fn read(environment: &Environment) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let config = Delivery {
            database: Database::read(environment, &mut problems),
            telemetry: Telemetry::read(environment, "delivery", &mut problems),
        };
        all_or_problems(config, problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = [("FACTORY_URL", "http://factory/log"), ("ORDER_FACTOR", "11")];
        let environment: Environment =
            wrong.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(
            Order::read(&environment).unwrap_err().to_string(),
            "configuration: FACTORY_URL is not a host, or http(s)://host[:port]; ORDER_FACTOR is not 1 to 10"
        );
        assert_eq!(
            Shop::read(&environment).unwrap_err().to_string(),
            "configuration: DATABASE_HOST is not set; DATABASE_NAME is not set; DATABASE_USER is not set; \
             DATABASE_PASSWORD is not set; TOPIC_ARN is not set; ADMIN_KEY is not set"
        );
    }
}
