//! The consumer that takes orders of production from a queue to a factory.

use std::sync::Arc;

use anyhow::{Context, ensure};
use hyper::Uri;
use serde::Serialize;
use serde_json::{Value, json};

use super::callback;
use super::factory::Factory;
use crate::config::{Environment, Telemetry, all_or_problems, uri};
use crate::events::attributes::Attribute;
use crate::events::consumer::Verdict;
use crate::events::envelope::Envelope;
use crate::events::probe;
use crate::functions::{Function, Messages, queue};
use crate::http::idempotency::{IDEMPOTENCY_KEY, is_key};
use crate::telemetry::trace::{self, Trace};
use crate::telemetry::{self, metrics};

/// The attribute that has the id of the order.
const ORDER_ID: &str = "OrderId";
/// The attribute that has the token of the order.
const TOKEN: &str = "CallbackToken";
const PATH: &str = "/api/manufactures";

/// How a system orders.
pub struct Form {
    pub role: &'static str,
    /// The attribute that has the name by which the factory knows the product.
    pub product: &'static str,
    /// The attribute that has the id of the factory.
    pub factory: &'static str,
    /// How many are ordered, as the factory has always got it: as a number or as a text.
    pub count: fn() -> Value,
    pub requester: &'static str,
    /// The variable that has the address of the function that is called back, and the path there.
    pub callback: (&'static str, &'static str),
}

/// The attributes by which the order and the callback find each other. They go with those of the system.
pub fn attributes(order: &str, token: &str) -> [(&'static str, Attribute); 2] {
    [(ORDER_ID, Attribute::text(order)), (TOKEN, Attribute::text(token))]
}

pub fn function(environment: &Environment, form: &'static Form) -> anyhow::Result<Function> {
    let config = Config::read(environment, form)?;
    telemetry::init(&config.telemetry);
    let orders = Arc::new(Orders { factory: Factory::new(config.factory)?, callback: config.callback, form });
    let handle = move |envelope| {
        let orders = Arc::clone(&orders);
        Box::pin(async move { orders.handle(&envelope).await }) as _
    };
    Ok(Function {
        error_type: "Order.NotSent",
        handle: queue::handle(Messages { at_a_time: 10, handle: Box::new(handle) }),
    })
}

#[derive(Debug)]
struct Config {
    /// `FACTORY_URL`: the scheme and the authority of the factory.
    factory: Uri,
    /// The URL that the factory is to call back, without the token.
    callback: String,
    telemetry: Telemetry,
}

struct Orders {
    factory: Factory,
    callback: String,
    form: &'static Form,
}

/// The request to the factory.
#[derive(Serialize)]
struct Manufacture<'a> {
    #[serde(rename = "MessageGroupId")]
    group: &'static str,
    #[serde(rename = "MessageAttributeProductId")]
    product: &'a str,
    #[serde(rename = "MessageAttributeProductCnt")]
    count: Value,
    #[serde(rename = "MessageAttributeFactoryId")]
    factory: &'a str,
    #[serde(rename = "MessageAttributeRequester")]
    requester: &'static str,
    #[serde(rename = "CallbackUrl")]
    callback: String,
}

impl Config {
    fn read(environment: &Environment, form: &Form) -> anyhow::Result<Self> {
        let mut problems = Vec::new();
        let factory = environment.required("FACTORY_URL", &mut problems);
        let (variable, path) = form.callback;
        let callback = environment.required(variable, &mut problems);
        let base = uri(variable, &callback, &mut problems).to_string();
        let config = Config {
            factory: uri("FACTORY_URL", &factory, &mut problems),
            callback: format!("{}{path}", base.trim_end_matches('/')),
            telemetry: Telemetry::read(environment, form.role, &mut problems),
        };
        all_or_problems(config, problems)
    }
}

impl Orders {
    async fn handle(&self, envelope: &Envelope) -> Verdict {
        if let Some(name) = probe::name(envelope) {
            // The way ends here: the factory may be somebody else's, who would take the event for an order.
            probe::count(name);
            return Verdict::Done;
        }
        let trace = envelope.attributes.get(trace::HEADER).and_then(Trace::follow).unwrap_or_else(Trace::begin);
        let (order, manufacture) = match self.read(envelope) {
            Ok(read) => read,
            Err(error) => return Verdict::Poison(error),
        };
        let verdict = self.factory.post(PATH, (IDEMPOTENCY_KEY, order), &manufacture, &trace).await;
        if matches!(verdict, Verdict::Done) {
            metrics::count("Ordered", 1);
            let line = json!({ "order_id": order, "product": manufacture.product, "trace_id": trace.id() });
            telemetry::info("order.sent", &line);
        }
        verdict
    }

    /// The id of the order, and the request. A publisher that gives no id publishes once, so the id of the message will
    /// do. It gives no token either, so its callback counts only with a key.
    fn read<'a>(&self, envelope: &'a Envelope) -> anyhow::Result<(&'a str, Manufacture<'a>)> {
        let of = |name| {
            let value = envelope.attributes.get(name).filter(|value| !value.is_empty());
            value.with_context(|| format!("the message has no {name}"))
        };
        let order = envelope.attributes.get(ORDER_ID).unwrap_or(&envelope.message_id);
        ensure!(is_key(order), "{ORDER_ID} is not 1 to 255 visible characters");
        let token = envelope.attributes.get(TOKEN);
        let is_token = |token: &str| token.len() <= 255 && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(token.is_none_or(is_token), "{TOKEN} is not letters and digits");
        let query = token.map(|token| format!("?{}={token}", callback::TOKEN)).unwrap_or_default();
        let manufacture = Manufacture {
            group: "stock-arrival-group",
            product: of(self.form.product)?,
            count: (self.form.count)(),
            factory: of(self.form.factory)?,
            requester: self.form.requester,
            callback: format!("{}{query}", self.callback),
        };
        Ok((order, manufacture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::attributes::Attributes;

    const FORM: Form = Form {
        role: "orders",
        product: "ProductId",
        factory: "FactoryId",
        count: || json!(10),
        requester: "somebody",
        callback: ("STOCK_URL", "/back/send"),
    };

    fn config(callback: &str) -> anyhow::Result<Config> {
        let variables = [("FACTORY_URL", "http://factory.example:8080"), ("STOCK_URL", callback)];
        let environment: Environment =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Config::read(&environment, &FORM)
    }

    fn envelope(attributes: &[(&str, &str)]) -> Envelope {
        let attributes: Attributes =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), Attribute::text(*value))).collect();
        let message_id = "95df01b4-ee98-5cb9-9903-4c221d41eb5e".to_owned();
        Envelope { message: "-".to_owned(), is_wrapped: true, subject: None, attributes, message_id, topic: None }
    }

    fn read(attributes: &[(&str, &str)]) -> Result<(String, String), String> {
        let config = config("https://api.example").unwrap();
        let orders = Orders { factory: Factory::new(config.factory).unwrap(), callback: config.callback, form: &FORM };
        let envelope = envelope(attributes);
        let (order, manufacture) = orders.read(&envelope).map_err(|error| error.to_string())?;
        Ok((order.to_owned(), serde_json::to_string(&manufacture).unwrap()))
    }

    #[test]
    fn the_factory_gets_the_form_that_it_knows() {
        let all = [("ProductId", "CP-1"), ("FactoryId", "FF-1"), ("OrderId", "o1"), ("CallbackToken", "ab12")];
        let (order, body) = read(&all).unwrap();
        assert_eq!(order, "o1");
        assert_eq!(
            body,
            "{\"MessageGroupId\":\"stock-arrival-group\",\"MessageAttributeProductId\":\"CP-1\",\
             \"MessageAttributeProductCnt\":10,\"MessageAttributeFactoryId\":\"FF-1\",\
             \"MessageAttributeRequester\":\"somebody\",\"CallbackUrl\":\"https://api.example/back/send?token=ab12\"}"
        );
        // A publisher that knows no order.
        let (order, body) = read(&all[..2]).unwrap();
        assert_eq!(order, "95df01b4-ee98-5cb9-9903-4c221d41eb5e");
        assert!(body.ends_with("\"CallbackUrl\":\"https://api.example/back/send\"}"), "{body}");
    }

    #[test]
    fn what_is_no_order_is_an_error_that_quotes_nothing() {
        for (attributes, expected) in [
            (&[("FactoryId", "FF-1")][..], "the message has no ProductId"),
            (&[("ProductId", "CP-1"), ("FactoryId", "")], "the message has no FactoryId"),
            (&[("OrderId", "a b")], "OrderId is not 1 to 255 visible characters"),
            (&[("CallbackToken", "a&b=1")], "CallbackToken is not letters and digits"),
        ] {
            assert_eq!(read(attributes).unwrap_err(), expected);
        }
        let error = config("https://api.example/stage").unwrap_err().to_string();
        assert_eq!(error, "configuration: STOCK_URL is not a host, or http(s)://host[:port]");
    }
}
