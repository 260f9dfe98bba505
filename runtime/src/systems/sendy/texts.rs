//! The texts that several roles answer with. The clients of the system before this one rely on them.

use axum::response::Response;
use hyper::StatusCode;

use crate::http::answer;

pub fn no_reservation(id: &str) -> Response {
    answer::message(StatusCode::NOT_FOUND, &format!("Not found Reservation with id {id}."))
}

pub async fn hello_world() -> Response {
    answer::message(StatusCode::OK, "Hello World!")
}
