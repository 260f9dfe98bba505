//! The texts that clients of the system before this one rely on, to the byte, and some more in their manner.

use axum::response::Response;
use hyper::StatusCode;
use serde_json::json;

use super::config::Statuses;
use super::values::Kind;
use crate::http::answer;

/// What only an organizer, or only an individual, may do.
const ORGANIZERS: &str = "제한된 접근! 대회 주최자만 접근 가능합니다.";
const INDIVIDUALS: &str = "제한된 접근! 개인 사용자만 접근 가능합니다.";
const ONESELF: &str = "제한된 접근! 본인 또는 대회 주최자만 접근 가능합니다.";

pub fn signed_up(name: &str) -> Response {
    answer::message(StatusCode::OK, &format!("회원가입 완료! {name}님 환영합니다."))
}

pub fn signed_in(kind: Kind, token: &str) -> Response {
    let who = match kind {
        Kind::Organizer => "주최자님",
        Kind::Individual => "개인 사용자님",
    };
    answer::message(StatusCode::OK, &format!("로그인 성공! {who} 환영합니다. Token: {token}"))
}

pub fn changed() -> Response {
    answer::message(StatusCode::OK, "수정이 완료되었습니다!")
}

/// The answer to a login with a wrong name or a wrong password. It does not say which.
pub fn not_signed_in(statuses: Statuses) -> Response {
    error(statuses.unauthorized(), "로그인 실패! 아이디와 패스워드를 확인하세요.")
}

pub fn not_changed(statuses: Statuses) -> Response {
    error(statuses.unauthorized(), "아이디와 비밀번호를 확인하세요.")
}

pub fn name_is_taken() -> Response {
    error(StatusCode::CONFLICT, "이미 사용 중인 아이디입니다.")
}

pub fn no_user() -> Response {
    error(StatusCode::NOT_FOUND, "Data not found")
}

/// The answer to somebody who may not change this user. The system before let everybody do it, so it had no status for it.
pub fn not_oneself(is_known: bool) -> Response {
    error(refused(is_known), ONESELF)
}

/// The answer if the database cannot be reached.
pub fn no_database() -> Response {
    error(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
}

pub fn error(status: StatusCode, text: &str) -> Response {
    answer::json(status, &json!({ "error": text }))
}

/// The answer to somebody without a good token, with a token of the other kind, or who asks for a thing of somebody else.
pub fn denied(statuses: Statuses, only: Kind, is_known: bool) -> Response {
    let text = match only {
        Kind::Organizer => ORGANIZERS,
        Kind::Individual => INDIVIDUALS,
    };
    answer::json(statuses.denied(refused(is_known)), &text)
}

pub fn recorded(user: u64, marathon: u64) -> Response {
    answer::json(StatusCode::OK, &format!("user_id : {user}, marathon_id : {marathon}"))
}

pub fn went_wrong() -> Response {
    err(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
}

pub fn err(status: StatusCode, text: &str) -> Response {
    answer::json(status, &json!({ "err": text }))
}

/// What a channel is told about a credit.
pub fn announcement(user: u64, marathon: u64, point: u32) -> String {
    format!("포인트 적립! user_id : {user}, marathon_id : {marathon}, point : {point}")
}

fn refused(is_known: bool) -> StatusCode {
    if is_known { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED }
}
