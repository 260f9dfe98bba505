//! The texts that clients and consumers of the system before this one rely on, to the byte.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use serde_json::json;
use time::OffsetDateTime;

use crate::http::answer;
use crate::stock::values::date;

pub const NO_ITEM: &str = "상품 없음";
pub const NO_LOG: &str = "기록 없음";
pub const QUANTITY_SET: &str = "수량 변경 완료";
pub const QUANTITY_NOT_SET: &str = "수량 셋팅 실패";
/// The subject of a delivery.
pub const DELIVERY: &str = "수량 증가 요청";

pub fn sold(left: i64) -> String {
    format!("구매 완료! 남은 재고: {left}")
}

pub fn short(left: i64) -> String {
    format!("구매 실패! 남은 재고: {left}, 생산요청 진행중")
}

pub fn logged(item_name: &str, quantity: u32) -> String {
    format!("상품 : {item_name} \n 수량 : {quantity}, 데이터베이스 수량 증가 기록 요청중")
}

/// The subject of an order. SNS takes fewer than 100 characters.
pub fn order_subject(item_name: &str) -> String {
    const END: &str = " 재고 부족";
    let name: String = item_name.chars().take(99 - END.chars().count()).collect();
    format!("{name}{END}")
}

pub fn order_message(item_name: &str, now: OffsetDateTime) -> String {
    format!("{item_name} 재고가 부족합니다. 제품을 생산해주세요! \n메시지 작성 시각: {}", date(now))
}

pub fn delivery_message(now: OffsetDateTime) -> String {
    format!("생산 완료! item db에 수량 증가 요청 발송 \n메시지 작성 시각: {}", date(now))
}

pub fn bad_request(message: &str) -> Response {
    answer::message(StatusCode::BAD_REQUEST, message)
}

/// The answer if the database cannot be reached.
pub fn no_database() -> Response {
    answer::message(StatusCode::INTERNAL_SERVER_ERROR, "데이터베이스 연결 오류")
}

pub async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "Not Found" }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_the_contract() {
        assert_eq!(sold(2), "구매 완료! 남은 재고: 2");
        assert_eq!(short(2), "구매 실패! 남은 재고: 2, 생산요청 진행중");
        assert_eq!(logged("Item2", 5), "상품 : Item2 \n 수량 : 5, 데이터베이스 수량 증가 기록 요청중");
        assert_eq!(order_subject("Item2"), "Item2 재고 부족");
        let now = OffsetDateTime::from_unix_timestamp(1_684_403_208).unwrap();
        assert_eq!(
            order_message("Item2", now),
            "Item2 재고가 부족합니다. 제품을 생산해주세요! \n메시지 작성 시각: Thu May 18 2023 09:46:48 GMT+0000 (Coordinated \
             Universal Time)"
        );
        assert_eq!(
            delivery_message(now),
            "생산 완료! item db에 수량 증가 요청 발송 \n메시지 작성 시각: Thu May 18 2023 09:46:48 GMT+0000 (Coordinated \
             Universal Time)"
        );
    }

    #[test]
    fn sns_takes_the_subject_of_an_item_with_a_long_name() {
        let subject = order_subject(&"부".repeat(255));
        assert_eq!(subject.chars().count(), 99);
        assert!(subject.starts_with("부부") && subject.ends_with("부 재고 부족"));
    }
}
