//! Topics and subscriptions.

use serde_json::{Map, Value, json};

use super::making::It;
use crate::kinds::sns::{SubscriptionSpec, SubscriptionState, TopicState};

pub(super) fn topic(it: &mut It<'_>, want: TopicState) {
    let TopicState { name, content_based_deduplication, kms_key } = want;
    let mut properties = Map::new();
    if name.ends_with(".fifo") {
        properties.insert("FifoTopic".into(), true.into());
        properties.insert("ContentBasedDeduplication".into(), content_based_deduplication.into());
    }
    properties.insert("TopicName".into(), name.into());
    properties.extend(kms_key.map(|key| ("KmsMasterKeyId".to_owned(), key.into())));
    properties.insert("Tags".into(), it.tags());
    it.put("AWS::SNS::Topic", Value::Object(properties));
}

pub(super) fn subscription(it: &mut It<'_>, _: SubscriptionSpec, want: SubscriptionState) {
    let SubscriptionState { topic_arn, protocol, endpoint, raw, pending: _ } = want;
    let mut properties = json!({"TopicArn": topic_arn, "Protocol": protocol, "Endpoint": endpoint});
    if let Some(raw) = raw {
        properties["RawMessageDelivery"] = raw.into();
    }
    it.put("AWS::SNS::Subscription", properties);
}
