//! The table `product` of the systems that sell one product after the other.

use mysql_async::Value;

use super::{Shelf, purchases};
use crate::data::schema::Migration;
use crate::events::outbox;

pub const SHELF: Shelf = Shelf { table: "product", id: "product_id", name: "sku", left: "stock" };

/// The migrations of the database of such a system. Its own come after them.
pub const PRODUCTS: Migration =
    Migration { version: 1, name: "products", sql: include_str!("../../migrations/stock/products.sql") };
pub const ORDERS: Migration =
    Migration { version: 2, name: "orders", sql: include_str!("../../migrations/stock/orders.sql") };
pub const PURCHASES: Migration = Migration { version: 3, name: "purchases", sql: purchases::TABLE };
pub const CREDITS: Migration =
    Migration { version: 4, name: "credits", sql: include_str!("../../migrations/stock/credits.sql") };
pub const EFFECTS: Migration = Migration { version: 5, name: "effects", sql: outbox::TABLE };

/// How many are ordered when nothing is left.
pub const ORDERED: u32 = 10;

/// An id as clients know it: a UUID in its usual form.
pub fn uuid(id: &Value) -> String {
    let Value::Bytes(bytes) = id else { return String::new() };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match (hex.get(..8), hex.get(8..12), hex.get(12..16), hex.get(16..20), hex.get(20..32)) {
        (Some(a), Some(b), Some(c), Some(d), Some(e)) => format!("{a}-{b}-{c}-{d}-{e}"),
        _ => hex,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_uuid_in_its_usual_form() {
        let bytes = (0..16).map(|byte| byte * 0x11).collect();
        assert_eq!(uuid(&Value::Bytes(bytes)), "00112233-4455-6677-8899-aabbccddeeff");
    }
}
