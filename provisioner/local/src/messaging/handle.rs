//! Receipt handles. A handle says which message of which queue it is, and which time that the message was received.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::refusal::Refusal;

#[derive(Clone, Debug, PartialEq)]
pub struct Handle {
    pub queue: String,
    pub order: u64,
    pub receive: u32,
}

/// Reads a handle that this service once gave out for that queue. Any other text is refused.
pub fn parse(queue: &str, text: &str) -> Result<Handle, Refusal> {
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let parsed = decoded.as_deref().and_then(read).filter(|handle| handle.queue == queue);
    parsed.ok_or_else(|| {
        let message = format!("The input receipt handle \"{text}\" is not a valid receipt handle.");
        Refusal::new("ReceiptHandleIsInvalid", message)
    })
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handle { queue, order, receive } = self;
        formatter.write_str(&STANDARD.encode(format!("{queue}:{order}:{receive}")))
    }
}

fn read(text: &str) -> Option<Handle> {
    let mut parts = text.split(':');
    let queue = parts.next()?.to_owned();
    let order = parts.next()?.parse().ok()?;
    let receive = parts.next()?.parse().ok()?;
    parts.next().is_none().then_some(Handle { queue, order, receive })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_handle_is_of_its_queue_only() {
        let handle = Handle { queue: "a.fifo".to_owned(), order: 7, receive: 2 };
        assert_eq!(parse("a.fifo", &handle.to_string()), Ok(handle.clone()));
        let refusal = parse("b", &handle.to_string()).expect_err("it is another queue's");
        assert_eq!(refusal.code, "ReceiptHandleIsInvalid");
    }

    proptest! {
        #[test]
        fn nothing_panics(
            text in ".{0,60}",
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            inner in "[a:0-9]{0,12}",
        ) {
            for text in [text, STANDARD.encode(bytes), STANDARD.encode(inner)] {
                let _ = parse("a", &text);
            }
        }
    }
}
