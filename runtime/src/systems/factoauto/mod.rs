//! Stock and a factory that calls back. All roles are functions; the factory is a system of its own.
//!
//! [`sale`] sells, and commits an order when nothing is left; the topic takes the order to `stock-empty`, which sends it to
//! the factory; and the factory calls [`stock_inc`] back.

mod sale;
mod stock_inc;
mod texts;

use serde_json::json;

use super::{Role, Run, System};
use crate::config::Environment;
use crate::data::schema::Schema;
use crate::functions::Function;
use crate::functions::outbox::{self, Topics};
use crate::stock::production::{self, Form};
use crate::stock::{callback, orders, product, purchases};

pub const SYSTEM: System = System {
    name: "factoauto",
    databases: &[SCHEMA],
    roles: &[
        Role { name: "sale", run: Run::Function(|environment| Box::pin(sale::function(environment))) },
        Role { name: "sale-outbox", run: Run::Function(|environment| Box::pin(publish(environment))) },
        Role {
            name: ORDER.role,
            run: Run::Function(|environment| Box::pin(async { production::function(environment, &ORDER) })),
        },
        Role {
            name: "stock-inc",
            run: Run::Function(|environment| Box::pin(async { callback::function(environment, &stock_inc::CALLBACK) })),
        },
    ],
    probe: None,
};

const SCHEMA: &Schema = &Schema {
    name: "factoauto",
    migrations: &[product::PRODUCTS, product::ORDERS, product::PURCHASES, product::CREDITS, product::EFFECTS],
};

const TOPICS: Topics = Topics::One(sale::EMPTY_STOCK);

/// How this system orders.
const ORDER: Form = Form {
    role: "stock-empty",
    product: sale::PRODUCT_ID,
    factory: sale::FACTORY_ID,
    count: || json!(product::ORDERED),
    requester: "FactoAuto",
    callback: ("STOCK_INC_URL", stock_inc::PATH),
};

async fn publish(environment: &Environment) -> anyhow::Result<Function> {
    outbox::function(environment, "sale-outbox", TOPICS, &[purchases::TIDY, orders::TIDY]).await
}
