//! `Idempotency-Key`: a client that got no answer sends its request again under the same key, and the request is done
//! once.

use axum::response::Response;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, StatusCode};

use super::answer;

pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header that marks the answer to a request that was answered before.
pub const REPLAYED: &str = "idempotency-replayed";

/// The key of a request, if it has one. If the key is not valid, the error is the answer.
pub fn key(headers: &HeaderMap) -> Result<Option<&str>, Box<Response>> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if is_key(key) => Ok(Some(key)),
        _ => {
            let said = "Idempotency-Key is not 1 to 255 visible characters";
            Err(Box::new(answer::message(StatusCode::BAD_REQUEST, said)))
        }
    }
}

/// Whether a text can be the key of a request, or the id of an event: both are kept in columns of 255 bytes.
pub fn is_key(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Marks an answer that was given before.
pub fn replayed(mut answer: Response) -> Response {
    answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    answer
}

/// The answer to another request under a key that was used before.
pub fn other_request() -> Response {
    answer::message(StatusCode::UNPROCESSABLE_ENTITY, "Idempotency-Key was used for another request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_characters() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, value.parse().unwrap());
            key(&headers).map(|key| key.map(str::to_owned)).map_err(|answer| answer.status())
        };
        let longest = "x".repeat(255);
        assert_eq!([of("a-1"), of(&longest)], [Ok(Some("a-1".to_owned())), Ok(Some(longest.clone()))]);
        for wrong in ["", "a b", "\u{e9}", &"x".repeat(256)] {
            assert_eq!(of(wrong), Err(StatusCode::BAD_REQUEST), "{wrong:?}");
        }
        assert!(matches!(key(&HeaderMap::new()), Ok(None)));
    }
}
