//! An event of a probe. It goes the way of other events, and is marked with the attribute [`ATTRIBUTE`]. Every consumer
//! counts it, and none applies it, so that a probe leaves everything as it was.

use hyper::HeaderMap;
use serde_json::json;

use super::envelope::Envelope;
use crate::telemetry::{self, metrics};

/// The attribute of the message. Its value is the name that the probe has.
pub const ATTRIBUTE: &str = "Probe";
/// The header of a request that a probe makes, or that a consumer makes for a probe's event.
pub const HEADER: &str = "x-probe";

/// The name of the probe, if the event is a probe's.
pub fn name(envelope: &Envelope) -> Option<&str> {
    envelope.attributes.get(ATTRIBUTE)
}

/// The name of the probe, if the request is a probe's.
pub fn asked(headers: &HeaderMap) -> Option<&str> {
    headers.get(HEADER).and_then(|name| name.to_str().ok()).filter(|name| !name.is_empty())
}

/// The name as logs and tables have it: anybody can send a longer one.
pub fn kept(name: &str) -> String {
    name.chars().take(LONGEST).collect()
}

/// Counts a probe's event, and logs it, so that the probe can see how far it has come.
pub fn count(name: &str) {
    metrics::count("Probes", 1);
    telemetry::info("probe.seen", &json!({ "probe": kept(name) }));
}

/// The characters of a name that are kept.
const LONGEST: usize = 128;
