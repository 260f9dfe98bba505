//! The role `order`: it takes orders from the queue to the factory. It has no database, and so no inbox: it passes the
//! id of the order on, and the factory keeps the inbox.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::config;
use super::messages::Order;
use crate::config::Environment;
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::probe;
use crate::functions::{Function, Messages, queue};
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::stock::factory::Factory;
use crate::telemetry::trace::{self, Trace};
use crate::telemetry::{self, metrics};

pub fn function(environment: &Environment) -> anyhow::Result<Function> {
    let config = config::Order::read(environment)?;
    telemetry::init(&config.telemetry);
    let orders = Arc::new(Orders { factory: Factory::new(config.factory)?, factor: config.factor });
    let handle = move |envelope| {
        let orders = Arc::clone(&orders);
        Box::pin(async move { orders.handle(&envelope).await }) as _
    };
    Ok(Function {
        error_type: "Order.NotSent",
        handle: queue::handle(Messages { at_a_time: 10, handle: Box::new(handle) }),
    })
}

const PATH: &str = "/log";

struct Orders {
    factory: Factory,
    factor: u32,
}

/// The request to the factory.
#[derive(Serialize)]
struct Produce<'a> {
    requester: &'a str,
    quantity: u32,
    item_id: i32,
    item_name: &'a str,
    factory_id: i32,
    factory_name: &'a str,
}

impl Orders {
    async fn handle(&self, envelope: &Envelope) -> Verdict {
        let trace = envelope.attributes.get(trace::HEADER).and_then(Trace::follow).unwrap_or_else(Trace::begin);
        if let Some(name) = probe::name(envelope) {
            probe::count(name);
            return self.factory.post(PATH, (probe::HEADER, name), &json!({}), &trace).await;
        }
        let order = match Order::parse(envelope) {
            Ok(order) => order,
            Err(error) => return Verdict::Poison(error),
        };
        let produce = Produce {
            requester: &order.requester,
            quantity: order.quantity * self.factor,
            item_id: order.item_id,
            item_name: &order.item_name,
            factory_id: order.factory_id,
            factory_name: &order.factory_name,
        };
        let verdict = self.factory.post(PATH, (IDEMPOTENCY_KEY, &order.id), &produce, &trace).await;
        if matches!(verdict, Verdict::Done) {
            metrics::count("Ordered", 1);
            let line = json!({
                "order_id": order.id, "item_id": order.item_id, "quantity": produce.quantity, "trace_id": trace.id(),
            });
            telemetry::info("order.sent", &line);
        }
        verdict
    }
}
