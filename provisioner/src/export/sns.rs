//! Topics and subscriptions.

use serde_json::{Map, Value, json};

use super::it::It;
use crate::kinds::sns::{Endpoint, SubscriptionSpec, SubscriptionState, TopicState};

pub(super) fn topic(it: &mut It<'_>, want: TopicState) {
    let TopicState { name, content_based_deduplication, kms_key, statements: _ } = want;
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

/// Adds a subscription. The queue has to let the topic in before a message is published.
pub(super) fn subscription(it: &mut It<'_>, spec: SubscriptionSpec, want: SubscriptionState) {
    let let_in = match &spec.endpoint {
        Endpoint::Queue(queue) => it.all_of(queue),
        Endpoint::Function(_) => spec.failed.iter().flat_map(|queue| it.all_of(queue)).collect(),
        Endpoint::Email(_) => Vec::new(),
    };
    let SubscriptionState { topic_arn, protocol, endpoint, raw, filter, filter_scope, failed, pending: _ } = want;
    let mut properties = json!({"TopicArn": topic_arn, "Protocol": protocol, "Endpoint": endpoint});
    if let Some(raw) = raw {
        properties["RawMessageDelivery"] = raw.into();
    }
    if filter != json!({}) {
        properties["FilterPolicy"] = filter;
        properties["FilterPolicyScope"] = filter_scope.into();
    }
    if !failed.is_empty() {
        properties["RedrivePolicy"] = json!({"deadLetterTargetArn": failed});
    }
    it.put("AWS::SNS::Subscription", properties).after(let_in);
}
