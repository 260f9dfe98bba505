//! The shop: people buy, a factory produces what is missing, and deliveries fill the stock again. All roles are functions.
//!
//! An order goes this way: [`shop`] commits it and publishes it; [`order`] takes it from the queue to the HTTP API of the
//! factory; [`factory`] logs it and publishes the delivery; [`delivery`] takes that from the queue into the stock. The
//! order has one id on its whole way. Each step may be done twice, and has effect once.

pub mod config;
mod delivery;
mod factory;
mod messages;
mod order;
mod shop;
mod texts;
mod values;

use super::{Role, Run, System};
use crate::data::schema::{Migration, Schema};
use crate::events::{inbox, outbox as effects};
use crate::functions::outbox;
use crate::stock::purchases;

pub const SYSTEM: System = System {
    name: "msa_study",
    databases: &[ITEM, LOG],
    roles: &[
        Role { name: "shop", run: Run::Function(|environment| Box::pin(shop::function(environment))) },
        Role {
            name: "shop-outbox",
            run: Run::Function(|environment| {
                Box::pin(outbox::function(environment, "shop-outbox", shop::TOPICS, shop::TIDY))
            }),
        },
        Role { name: "order", run: Run::Function(|environment| Box::pin(async { order::function(environment) })) },
        Role { name: "factory", run: Run::Function(|environment| Box::pin(factory::function(environment))) },
        Role {
            name: "factory-outbox",
            run: Run::Function(|environment| {
                Box::pin(outbox::function(environment, "factory-outbox", factory::TOPICS, &[]))
            }),
        },
        Role {
            name: "delivery",
            run: Run::Function(|environment| Box::pin(async { delivery::function(environment) })),
        },
    ],
    probe: None,
};

/// The database of the shop: the stock, and the orders of production.
pub const ITEM: &Schema = &Schema {
    name: "msa_study/item",
    migrations: &[
        Migration { version: 1, name: "items", sql: include_str!("../../../migrations/msa_study/item/1_items.sql") },
        Migration { version: 2, name: "orders", sql: include_str!("../../../migrations/msa_study/item/2_orders.sql") },
        Migration { version: 3, name: "purchases", sql: purchases::TABLE },
        Migration { version: 4, name: "effects", sql: effects::TABLE },
        Migration { version: 5, name: "inbox", sql: inbox::TABLE },
    ],
};

/// The database of the factories.
pub const LOG: &Schema = &Schema {
    name: "msa_study/log",
    migrations: &[
        Migration { version: 1, name: "logs", sql: include_str!("../../../migrations/msa_study/log/1_logs.sql") },
        Migration { version: 2, name: "effects", sql: effects::TABLE },
    ],
};
