//! The messages on the two topics. Their attributes are the contract; the text is for people.

use anyhow::{Context, ensure};

use super::values::{LARGEST_ORDER, LARGEST_PURCHASE};
use crate::events::attributes::{Attribute, Attributes, Empty};
use crate::events::envelope::Envelope;
use crate::http::idempotency::is_key;
use crate::stock::values;

/// An order of production.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    pub id: String,
    pub item_id: i32,
    pub item_name: String,
    pub factory_id: i32,
    pub factory_name: String,
    /// What the buyer has missed.
    pub quantity: u32,
    pub requester: String,
}

/// Items that were produced, on their way into the stock.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The id of the order, or an id of its own if nobody has ordered it.
    pub id: String,
    pub item_id: i32,
    pub quantity: u32,
}

impl Order {
    /// The error is that of SNS, if a name is empty.
    pub fn attributes(&self) -> Result<Attributes, Empty> {
        let Order { id, item_id, item_name, factory_id, factory_name, quantity, requester } = self;
        Attributes::new([
            (ITEM_ID, Attribute::number((*item_id).into())),
            (ITEM_NAME, Attribute::text(values::plain(item_name))),
            (FACTORY_ID, Attribute::number((*factory_id).into())),
            (FACTORY_NAME, Attribute::text(values::plain(factory_name))),
            (ITEM_COUNT, Attribute::number((*quantity).into())),
            (REQUESTER, Attribute::text(values::plain(requester))),
            (ORDER_ID, Attribute::text(id)),
        ])
    }

    pub fn parse(envelope: &Envelope) -> anyhow::Result<Self> {
        Ok(Order {
            id: id(envelope)?,
            item_id: number(envelope, ITEM_ID)?.try_into().context(ITEM_ID)?,
            item_name: text(envelope, ITEM_NAME)?,
            factory_id: number(envelope, FACTORY_ID)?.try_into().context(FACTORY_ID)?,
            factory_name: text(envelope, FACTORY_NAME)?,
            quantity: quantity(envelope, LARGEST_PURCHASE)?,
            requester: text(envelope, REQUESTER)?,
        })
    }
}

impl Delivery {
    pub fn attributes(&self) -> Result<Attributes, Empty> {
        let Delivery { id, item_id, quantity } = self;
        Attributes::new([
            (ITEM_ID, Attribute::number((*item_id).into())),
            (ITEM_COUNT, Attribute::number((*quantity).into())),
            (ORDER_ID, Attribute::text(id)),
        ])
    }

    pub fn parse(envelope: &Envelope) -> anyhow::Result<Self> {
        Ok(Delivery {
            id: id(envelope)?,
            item_id: number(envelope, ITEM_ID)?.try_into().context(ITEM_ID)?,
            quantity: quantity(envelope, LARGEST_ORDER)?,
        })
    }
}

const ITEM_ID: &str = "MessageAttributeItemId";
const ITEM_NAME: &str = "MessageAttributeItemName";
const FACTORY_ID: &str = "MessageAttributeFactoryId";
const FACTORY_NAME: &str = "MessageAttributeFactoryName";
const ITEM_COUNT: &str = "MessageAttributeItemCnt";
const REQUESTER: &str = "MessageAttributeRequester";
/// The system before this one has no such attribute.
const ORDER_ID: &str = "MessageAttributeOrderId";

/// The id of the event. A publisher that gives none, as in the system before this one, publishes once, so the id of the
/// message will do.
fn id(envelope: &Envelope) -> anyhow::Result<String> {
    let id = envelope.attributes.get(ORDER_ID).unwrap_or(&envelope.message_id);
    ensure!(is_key(id), "{ORDER_ID} is not 1 to 255 visible characters");
    Ok(id.to_owned())
}

fn text(envelope: &Envelope, name: &str) -> anyhow::Result<String> {
    Ok(envelope.attributes.get(name).with_context(|| format!("the message has no {name}"))?.to_owned())
}

/// An error does not quote the value.
fn number(envelope: &Envelope, name: &str) -> anyhow::Result<i64> {
    let number: Option<i64> = text(envelope, name)?.trim().parse().ok();
    number.filter(|number| *number > 0).with_context(|| format!("{name} is not a positive number"))
}

fn quantity(envelope: &Envelope, most: u32) -> anyhow::Result<u32> {
    let quantity = u32::try_from(number(envelope, ITEM_COUNT)?).unwrap_or(u32::MAX);
    ensure!(quantity <= most, "{ITEM_COUNT} is more than {most}");
    Ok(quantity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            item_id: 2,
            item_name: "Item2".to_owned(),
            factory_id: 2,
            factory_name: "Factory2".to_owned(),
            quantity: 5,
            requester: "jeonghun".to_owned(),
        }
    }

    fn envelope(attributes: Attributes) -> Envelope {
        Envelope {
            message: "for people".to_owned(),
            is_wrapped: true,
            subject: None,
            attributes,
            message_id: "95df01b4-ee98-5cb9-9903-4c221d41eb5e".to_owned(),
            topic: None,
        }
    }

    #[test]
    fn an_order_has_the_attributes_of_the_contract_and_its_id() {
        let attributes = order().attributes().unwrap();
        let json = serde_json::to_string(&attributes).unwrap();
        assert_eq!(
            json,
            "{\"MessageAttributeFactoryId\":{\"Type\":\"Number\",\"Value\":\"2\"},\
             \"MessageAttributeFactoryName\":{\"Type\":\"String\",\"Value\":\"Factory2\"},\
             \"MessageAttributeItemCnt\":{\"Type\":\"Number\",\"Value\":\"5\"},\
             \"MessageAttributeItemId\":{\"Type\":\"Number\",\"Value\":\"2\"},\
             \"MessageAttributeItemName\":{\"Type\":\"String\",\"Value\":\"Item2\"},\
             \"MessageAttributeOrderId\":{\"Type\":\"String\",\"Value\":\"0123456789abcdef0123456789abcdef\"},\
             \"MessageAttributeRequester\":{\"Type\":\"String\",\"Value\":\"jeonghun\"}}"
        );
        assert_eq!(Order::parse(&envelope(attributes)).unwrap(), order());
        let nobody = Order { requester: String::new(), ..order() };
        assert_eq!(
            nobody.attributes().unwrap_err().to_string(),
            "The message attribute 'MessageAttributeRequester' must contain non-empty message attribute value for message \
             attribute type 'String'."
        );
    }

    #[test]
    fn a_message_without_an_id_has_that_of_the_envelope() {
        let attributes: Attributes = [(ITEM_ID, "2"), (ITEM_COUNT, "5")]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Attribute { kind: "Number".to_owned(), value: value.to_owned() }))
            .collect();
        let delivery = Delivery::parse(&envelope(attributes)).unwrap();
        let id = "95df01b4-ee98-5cb9-9903-4c221d41eb5e".to_owned();
        assert_eq!(delivery, Delivery { id, item_id: 2, quantity: 5 });
    }

    #[test]
    fn what_is_no_message_is_an_error_that_quotes_nothing() {
        for (name, value, expected) in [
            (ITEM_COUNT, "0", "MessageAttributeItemCnt is not a positive number"),
            (ITEM_COUNT, "-5", "MessageAttributeItemCnt is not a positive number"),
            (ITEM_COUNT, "hunter2", "MessageAttributeItemCnt is not a positive number"),
            (ITEM_COUNT, "9999999999", "MessageAttributeItemCnt is more than 100000"),
            (ITEM_ID, "2147483648", "MessageAttributeItemId"),
            (ORDER_ID, "a b", "MessageAttributeOrderId is not 1 to 255 visible characters"),
        ] {
            let delivery = Delivery { id: "a".to_owned(), item_id: 2, quantity: 5 }.attributes().unwrap();
            let of = |(given, attribute): (&str, &Attribute)| {
                let value = if given == name { value.to_owned() } else { attribute.value.clone() };
                (given.to_owned(), Attribute { value, ..attribute.clone() })
            };
            let error = Delivery::parse(&envelope(delivery.iter().map(of).collect())).unwrap_err();
            assert!(error.to_string() == expected, "{error:#}");
        }
        let error = Order::parse(&envelope(Attributes::default())).unwrap_err();
        assert_eq!(error.to_string(), "the message has no MessageAttributeItemId");
    }
}
