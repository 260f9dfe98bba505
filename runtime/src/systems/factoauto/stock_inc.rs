//! The role `stock-inc`: the factory calls it back, and what was produced comes into the stock.

use serde_json::Value;

use super::texts;
use crate::stock::callback::{Form, Produced};
use crate::stock::values;

/// The path under which the factory calls back.
pub const PATH: &str = "/stock_inc_api/send";

pub const CALLBACK: Form = Form {
    role: "stock-inc",
    error_type: "StockInc.Failed",
    path: PATH,
    produced,
    credited: |_| texts::CREDITED.to_owned(),
    no_product: texts::no_product,
    no_database: texts::no_database,
    not_found: || std::future::ready(texts::no_path()),
};

fn produced(body: &[u8]) -> Option<Produced> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(Produced {
        product: values::name(&body["MessageAttributeProductId"])?.to_owned(),
        quantity: values::count(&body["MessageAttributeProductCnt"])?,
    })
}
