//! The role `stock-increase`: the factory calls it back, and what was produced comes into the stock.

use serde_json::Value;

use super::{SKU, texts};
use crate::stock::callback::{Form, Produced};
use crate::stock::values;

/// The path under which the factory calls back.
pub const PATH: &str = "/product/donut";

pub const CALLBACK: Form = Form {
    role: "stock-increase",
    error_type: "StockIncrease.Failed",
    path: PATH,
    produced,
    credited: texts::credited,
    no_product: texts::no_product,
    no_database: texts::no_database,
    not_found: || std::future::ready(texts::no_path()),
};

/// The path names the product, so the body need not.
fn produced(body: &[u8]) -> Option<Produced> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let product = match &body["MessageAttributeProductId"] {
        Value::Null => SKU,
        product => values::name(product)?,
    };
    let quantity = values::count(&body["MessageAttributeProductCnt"])?;
    Some(Produced { product: product.to_owned(), quantity })
}
