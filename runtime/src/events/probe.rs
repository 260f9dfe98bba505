//! An event of a probe. It goes the way of other events, and is marked with the attribute [`ATTRIBUTE`]. Every consumer
//! counts it, and none applies it, so that a probe leaves everything as it was.

use serde_json::json;

use super::envelope::Envelope;
use crate::telemetry::{self, metrics};

/// The attribute of the message. Its value is the name that the probe has.
pub const ATTRIBUTE: &str = "Probe";
/// The header of a request that a consumer makes for a probe's event.
pub const HEADER: &str = "x-probe";

/// The name of the probe, if the event is a probe's.
pub fn name(envelope: &Envelope) -> Option<&str> {
    envelope.attributes.get(ATTRIBUTE)
}

/// Counts a probe's event, and logs it, so that the probe can see how far it has come.
pub fn count(name: &str) {
    metrics::count("Probes", 1);
    let shown: String = name.chars().take(128).collect();
    telemetry::info("probe.seen", &json!({ "probe": shown }));
}
