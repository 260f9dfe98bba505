//! The texts that clients and consumers of the system before this one rely on, to the byte.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use crate::http::answer;
use crate::stock::values::date;

pub const SOLD: &str = "판매완료";
pub const SHORT: &str = "재고부족, 제품 생산 요청!";
pub const CREDITED: &str = "입고완료";

/// The message of an order.
pub fn order_message(message: &str, now: OffsetDateTime) -> String {
    format!("{message} \n \n This was sent: {}", date(now))
}

pub fn no_product() -> Response {
    answer::message(StatusCode::NOT_FOUND, "상품 없음")
}

pub async fn not_found() -> Response {
    no_path()
}

pub fn no_path() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "Not Found" }))).into_response()
}

/// The answer if the database cannot be reached.
pub fn no_database() -> Response {
    answer::message(StatusCode::INTERNAL_SERVER_ERROR, "데이터베이스 연결 오류")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_an_order_is_the_contract() {
        let now = OffsetDateTime::from_unix_timestamp(1_684_403_208).unwrap();
        assert_eq!(
            order_message("재고 부족", now),
            "재고 부족 \n \n This was sent: Thu May 18 2023 09:46:48 GMT+0000 (Coordinated Universal Time)"
        );
    }
}
