//! `alerts:` -> a topic and the people who get what it says.

use super::Making;
use crate::kind::Ref;
use crate::kinds::sns::{Endpoint, Subscription, SubscriptionSpec, Topic, TopicSpec};

const SECTION: &str = "alerts";
pub(super) const ALERTS: &str = "alerts";

pub(super) fn expand(making: &mut Making<'_>) {
    let Some(alerts) = &making.loaded.stack.alerts else { return };
    making.add::<Topic>(SECTION, ALERTS, TopicSpec { fifo: false, kms_key: Some(making.key()) });
    for address in &alerts.email {
        let endpoint = Endpoint::Email(address.clone());
        let spec = SubscriptionSpec { topic: Ref::to(ALERTS), endpoint, raw: false };
        making.add::<Subscription>(SECTION, format!("{ALERTS}-to-{address}"), spec);
    }
}
