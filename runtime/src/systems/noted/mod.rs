//! A shop of donuts, and the teams that hear of its sales. All roles are functions; the factory is a system of its own.
//!
//! [`sales`] sells. Each sale goes to the topic `sold`. When nothing is left, an order goes to the topic `stock-empty`:
//! `stock` takes it to the factory, which calls [`stock_increase`] back. The teams `ops` and `ad` count what they hear.

mod messages;
mod sales;
mod stock_increase;
mod team;
mod texts;

use serde_json::json;

use super::{Role, Run, System};
use crate::config::Environment;
use crate::data::schema::{Migration, Schema};
use crate::events::inbox;
use crate::functions::Function;
use crate::functions::outbox::{self, Topics};
use crate::stock::production::{self, Form};
use crate::stock::{callback, orders, product, purchases};

pub const SYSTEM: System = System {
    name: "noted",
    databases: &[SCHEMA],
    roles: &[
        Role { name: "sales", run: Run::Function(|environment| Box::pin(sales::function(environment))) },
        Role { name: "sales-outbox", run: Run::Function(|environment| Box::pin(publish(environment))) },
        Role {
            name: ORDER.role,
            run: Run::Function(|environment| Box::pin(async { production::function(environment, &ORDER) })),
        },
        Role {
            name: "stock-increase",
            run: Run::Function(|environment| {
                Box::pin(async { callback::function(environment, &stock_increase::CALLBACK) })
            }),
        },
        Role { name: "ops", run: Run::Function(|environment| Box::pin(async { team::function(environment, "ops") })) },
        Role { name: "ad", run: Run::Function(|environment| Box::pin(async { team::function(environment, "ad") })) },
    ],
    probe: None,
};

const SCHEMA: &Schema = &Schema {
    name: "noted",
    migrations: &[
        product::PRODUCTS,
        product::ORDERS,
        product::PURCHASES,
        product::CREDITS,
        product::EFFECTS,
        Migration { version: 6, name: "inbox", sql: inbox::TABLE },
        Migration { version: 7, name: "counters", sql: include_str!("../../../migrations/noted/counters.sql") },
    ],
};

const TOPICS: Topics = Topics::Named(&[messages::STOCK_EMPTY, messages::SOLD]);

/// The only product, by the name that the factory knows.
const SKU: &str = "CP-502101";

/// How this system orders.
const ORDER: Form = Form {
    role: "stock",
    product: messages::SKU,
    factory: messages::FACTORY_ID,
    count: || json!(product::ORDERED.to_string()),
    requester: "TEAM-F",
    callback: ("STOCK_INCREASE_URL", stock_increase::PATH),
};

async fn publish(environment: &Environment) -> anyhow::Result<Function> {
    outbox::function(environment, "sales-outbox", TOPICS, &[purchases::TIDY, orders::TIDY]).await
}
