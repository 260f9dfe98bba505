//! The messages on the two topics. Their attributes are the contract; the text is for people.

use anyhow::{Context, ensure};

use crate::events::attributes::{Attribute, Attributes, Empty};
use crate::events::envelope::Envelope;
use crate::http::idempotency::is_key;

/// The topics, by their names in the stack file and in the outbox.
pub const STOCK_EMPTY: &str = "stock-empty";
pub const SOLD: &str = "sold";

/// The id of the product in the database.
const PRODUCT_ID: &str = "MessageAttributeProductId";
pub const FACTORY_ID: &str = "MessageAttributeFactoryId";
/// The name by which people and the factory know the product. The system before this one sent the factory the id, which
/// it does not know.
pub const SKU: &str = "MessageAttributeSku";
/// `sold`, or nothing on an order.
const EVENT: &str = "MessageAttributeEvent";
/// The id of an event, under which a team counts it once. An order has it as its own attribute.
const EVENT_ID: &str = "EventId";

/// The attributes of an order, besides those by which its callback finds it. The error is that of SNS, if one is empty.
pub fn order<const N: usize>(
    event: &str,
    (product, sku, factory): (&str, &str, &str),
    more: [(&'static str, Attribute); N],
) -> Result<Attributes, Empty> {
    let own = Attributes::new([
        (PRODUCT_ID, Attribute::text(product)),
        (FACTORY_ID, Attribute::text(factory)),
        (SKU, Attribute::text(sku)),
        (EVENT_ID, Attribute::text(event)),
    ])?;
    let more = more.into_iter().map(|(name, attribute)| (name.to_owned(), attribute));
    Ok(own.iter().map(|(name, attribute)| (name.to_owned(), attribute.clone())).chain(more).collect())
}

/// The attributes of a sale.
pub fn sale(event: &str, sku: &str) -> Result<Attributes, Empty> {
    Attributes::new([(SKU, Attribute::text(sku)), (EVENT, Attribute::text(SOLD)), (EVENT_ID, Attribute::text(event))])
}

/// An event that a team hears.
#[derive(Debug, PartialEq)]
pub struct Heard {
    pub id: String,
    pub event: &'static str,
    pub product: String,
}

impl Heard {
    /// Reads a message of one of the topics. A publisher that gives no id publishes once, so the id of the message will
    /// do. An error quotes nothing of the message.
    pub fn parse(envelope: &Envelope) -> anyhow::Result<Self> {
        let of = |name| envelope.attributes.get(name).filter(|value| !value.is_empty());
        let id = of(EVENT_ID).unwrap_or(&envelope.message_id);
        ensure!(is_key(id), "{EVENT_ID} is not 1 to 255 visible characters");
        let product = of(SKU).or(of(PRODUCT_ID)).with_context(|| format!("the message has no {PRODUCT_ID}"))?;
        ensure!(product.chars().count() <= 200, "{PRODUCT_ID} is longer than 200 characters");
        let event = match of(EVENT) {
            Some(SOLD) => SOLD,
            None => STOCK_EMPTY,
            Some(_) => anyhow::bail!("{EVENT} is not known"),
        };
        Ok(Heard { id: id.to_owned(), event, product: product.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(attributes: Attributes) -> Envelope {
        let message_id = "95df01b4-ee98-5cb9-9903-4c221d41eb5e".to_owned();
        Envelope { message: "-".to_owned(), is_wrapped: true, subject: None, attributes, message_id, topic: None }
    }

    #[test]
    fn an_order_has_the_attributes_of_the_contract() {
        let attributes = order("e1", ("uuid", "CP-502101", "FF-500293"), [("OrderId", Attribute::text("e1"))]).unwrap();
        assert_eq!(
            serde_json::to_string(&attributes).unwrap(),
            "{\"EventId\":{\"Type\":\"String\",\"Value\":\"e1\"},\
             \"MessageAttributeFactoryId\":{\"Type\":\"String\",\"Value\":\"FF-500293\"},\
             \"MessageAttributeProductId\":{\"Type\":\"String\",\"Value\":\"uuid\"},\
             \"MessageAttributeSku\":{\"Type\":\"String\",\"Value\":\"CP-502101\"},\
             \"OrderId\":{\"Type\":\"String\",\"Value\":\"e1\"}}"
        );
        let heard = Heard::parse(&envelope(attributes)).unwrap();
        let expected = Heard { id: "e1".to_owned(), event: STOCK_EMPTY, product: "CP-502101".to_owned() };
        assert_eq!(heard, expected);
        assert_eq!(
            order("e1", ("uuid", "CP-502101", ""), []).unwrap_err().to_string(),
            "The message attribute 'MessageAttributeFactoryId' must contain non-empty message attribute value for message \
             attribute type 'String'."
        );
    }

    #[test]
    fn a_team_hears_sales_and_what_others_have_published() {
        let sold = Heard::parse(&envelope(sale("s1", "CP-502101").unwrap())).unwrap();
        assert_eq!(sold, Heard { id: "s1".to_owned(), event: SOLD, product: "CP-502101".to_owned() });
        let old: Attributes = [(PRODUCT_ID.to_owned(), Attribute::text("uuid"))].into_iter().collect();
        let heard = Heard::parse(&envelope(old)).unwrap();
        assert_eq!((heard.id.as_str(), heard.product.as_str()), ("95df01b4-ee98-5cb9-9903-4c221d41eb5e", "uuid"));
        for (name, value, expected) in [
            (EVENT_ID, "a b", "EventId is not 1 to 255 visible characters"),
            (EVENT, "stolen", "MessageAttributeEvent is not known"),
            (SKU, &*"x".repeat(201), "MessageAttributeProductId is longer than 200 characters"),
        ] {
            let of = |(given, attribute): (&str, &Attribute)| match given == name {
                true => (given.to_owned(), Attribute::text(value)),
                false => (given.to_owned(), attribute.clone()),
            };
            let attributes = sale("s1", "CP-502101").unwrap().iter().map(of).collect();
            assert_eq!(Heard::parse(&envelope(attributes)).unwrap_err().to_string(), expected);
        }
        let nothing = Heard::parse(&envelope(Attributes::default())).unwrap_err();
        assert_eq!(nothing.to_string(), "the message has no MessageAttributeProductId");
    }
}
