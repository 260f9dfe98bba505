//! A function with `http` and `on` in the stack file: requests and messages, of one role.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Handle;

/// Makes the handler of requests and the handler of messages into one. The messages of a queue or a topic come as
/// `Records`, which a request never has.
pub fn either(requests: Handle, messages: Handle) -> Handle {
    Box::new(move |invocation| match serde_json::from_slice::<Shape>(&invocation.event) {
        Ok(Shape { records: Some(IgnoredAny) }) => messages(invocation),
        // The handler of the requests says what is wrong with an event that is neither.
        _ => requests(invocation),
    })
}

#[derive(Deserialize)]
struct Shape {
    #[serde(rename = "Records")]
    records: Option<IgnoredAny>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::functions::Invocation;

    #[tokio::test]
    async fn the_shape_of_the_event_decides() {
        let said = |what: &'static str| -> Handle {
            Box::new(move |_| Box::pin(std::future::ready(Ok(what.as_bytes().to_vec()))))
        };
        let handle = either(said("request"), said("messages"));
        for (event, expected) in [
            ("{\"Records\":[{\"body\":\"{}\"}]}", "messages"),
            ("{\"Records\":[]}", "messages"),
            ("{\"version\":\"2.0\",\"rawPath\":\"/\",\"body\":\"{\\\"Records\\\":[]}\"}", "request"),
            ("[]", "request"),
            ("", "request"),
        ] {
            let invocation =
                Invocation { request_id: "1".to_owned(), event: event.into(), left: Duration::from_secs(1) };
            assert_eq!(handle(invocation).await.unwrap(), expected.as_bytes(), "{event}");
        }
    }
}
