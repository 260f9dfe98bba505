//! The texts that clients and consumers of the system before this one rely on, to the byte.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use crate::http::answer;
use crate::stock::values::date;

/// The subject of an order.
pub const ORDER: &str = "도너츠 재고 부족";
/// The subject of a sale.
pub const SALE: &str = "도너츠 판매";

pub fn sold(left: i64) -> String {
    format!("구매 완료! 남은 재고: {left}")
}

pub fn short(left: i64) -> String {
    format!("구매 실패! 남은 재고: {left}")
}

pub fn credited(left: i64) -> String {
    format!("입고 완료! 남은 재고: {left}")
}

pub fn order_message(now: OffsetDateTime) -> String {
    format!("도너츠 재고가 없습니다. 제품을 생산해주세요! \n메시지 작성 시각: {}", date(now))
}

pub fn sale_message(left: i64, now: OffsetDateTime) -> String {
    format!("도너츠가 판매되었습니다. 남은 재고: {left} \n메시지 작성 시각: {}", date(now))
}

pub fn no_product() -> Response {
    answer::message(StatusCode::BAD_REQUEST, "상품 없음")
}

/// The answer if the database cannot be reached.
pub fn no_database() -> Response {
    answer::message(StatusCode::INTERNAL_SERVER_ERROR, "데이터베이스 연결 오류")
}

pub async fn not_found() -> Response {
    no_path()
}

pub fn no_path() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "Not Found" }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_contract() {
        assert_eq!(
            [sold(2), short(0), credited(10)].join("; "),
            "구매 완료! 남은 재고: 2; 구매 실패! 남은 재고: 0; 입고 완료! 남은 재고: 10"
        );
        let now = OffsetDateTime::from_unix_timestamp(1_684_403_208).unwrap();
        assert_eq!(
            order_message(now),
            "도너츠 재고가 없습니다. 제품을 생산해주세요! \n메시지 작성 시각: Thu May 18 2023 09:46:48 GMT+0000 (Coordinated \
             Universal Time)"
        );
    }
}
