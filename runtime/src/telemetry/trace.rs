//! W3C Trace Context: <https://www.w3.org/TR/trace-context/#traceparent-header>. The trace of a request is carried into
//! the outbox, from there with the event, and into each line of the log on the way.

use std::fmt;

pub const HEADER: &str = "traceparent";

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trace {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl Trace {
    /// A new trace, which nobody has seen before.
    pub fn begin() -> Self {
        // An id of zeros only would be invalid.
        Trace { trace: fastrand::u128(1..), span: fastrand::u64(1..), sampled: true }
    }

    /// This service's part of the caller's trace. `None` if the header is not valid.
    pub fn follow(header: &str) -> Option<Self> {
        let caller = Trace::parse(header)?;
        Some(Trace { span: fastrand::u64(1..), ..caller })
    }

    pub fn id(&self) -> String {
        format!("{:032x}", self.trace)
    }

    fn parse(header: &str) -> Option<Self> {
        // A later version may append fields. Ours are in the same places then.
        let (version, rest) = header.trim().split_once('-')?;
        let mut parts = rest.split('-');
        let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
        let lower_hex = |text: &str, digits: usize| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let shaped = lower_hex(version, 2)
            && version != "ff"
            && lower_hex(trace, 32)
            && lower_hex(span, 16)
            && lower_hex(flags, 2);
        if !shaped || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        (trace != 0 && span != 0).then_some(Trace { trace, span, sampled })
    }
}

/// The trace as a header.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_followed_and_its_span_is_ours() {
        let header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(Trace::parse(header).unwrap().to_string(), header);
        let ours = Trace::follow(header).unwrap();
        assert_eq!(ours.id(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(ours.to_string(), header);
        assert_eq!(Trace::parse(&Trace::begin().to_string()).map(|trace| trace.sampled), Some(true));
    }

    #[test]
    fn what_is_no_trace_is_none() {
        for header in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319+-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::follow(header), None, "{header}");
        }
        assert!(Trace::follow("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-later").is_some());
    }
}
