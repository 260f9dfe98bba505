//! AWS's answers for settings that nobody gave.

use crate::answer::Answer;
use crate::request::Request;
use crate::upstream::ACCOUNT;
use crate::xml::Element;
use serde_json::{Map, Value, json};

pub(super) fn fill(request: &Request, answer: &mut Answer) {
    match (request.service.as_str(), request.action.as_str()) {
        ("sqs", "GetQueueAttributes") => queue(request, answer),
        ("sns", "GetTopicAttributes") => topic(request, answer),
        ("sns", "GetSubscriptionAttributes") => subscription(answer),
        ("ecs", "RegisterTaskDefinition" | "DescribeTaskDefinition") => task_definition(answer),
        _ => {}
    }
}

fn queue(request: &Request, answer: &mut Answer) {
    let asked = request.list("AttributeNames");
    let Some(attributes) = answer.json_body_mut().and_then(|body| body.get_mut("Attributes")?.as_object_mut()) else { return };
    let mut put = |name: &str, value: &str| {
        if asked.iter().any(|a| a == "All" || a == name) && !attributes.contains_key(name) {
            attributes.insert(name.to_owned(), json!(value));
        }
    };
    put("VisibilityTimeout", "30");
    put("DelaySeconds", "0");
    put("ReceiveMessageWaitTimeSeconds", "0");
    put("MessageRetentionPeriod", "345600");
    let fifo = request.text("QueueUrl").is_some_and(|url| url.ends_with(".fifo"));
    if fifo {
        put("FifoQueue", "true");
        put("ContentBasedDeduplication", "false");
        put("DeduplicationScope", "queue");
        put("FifoThroughputLimit", "perQueue");
    }
    if attributes.get("KmsMasterKeyId").is_some() {
        attributes.entry("KmsDataKeyReusePeriodSeconds").or_insert(json!("300"));
        attributes.insert("SqsManagedSseEnabled".to_owned(), json!("false"));
    } else if asked.iter().any(|a| a == "All" || a == "SqsManagedSseEnabled") {
        attributes.entry("SqsManagedSseEnabled").or_insert(json!("true"));
    }
}

/// Sets the `<entry>` of an SNS attribute map.
fn put_entry(map: &mut Element, name: &str, value: &str) {
    if map.children.iter().all(|entry| entry.at("key") != Some(name)) {
        let mut entry = Element::new("entry");
        entry.set("key", name);
        entry.set("value", value);
        map.children.push(entry);
    }
}

fn topic(request: &Request, answer: &mut Answer) {
    let arn = request.text("TopicArn").unwrap_or_default().to_owned();
    let Some(map) = answer.xml_body_mut().and_then(|root| root.find_mut("Attributes")) else { return };
    put_entry(map, "DisplayName", "");
    put_entry(map, "Owner", ACCOUNT);
    put_entry(
        map,
        "EffectiveDeliveryPolicy",
        r#"{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":3,"numMaxDelayRetries":0,"numNoDelayRetries":0,"numMinDelayRetries":0,"backoffFunction":"linear"},"disableSubscriptionOverrides":false}}"#,
    );
    let actions = [
        "GetTopicAttributes",
        "SetTopicAttributes",
        "AddPermission",
        "RemovePermission",
        "DeleteTopic",
        "Subscribe",
        "ListSubscriptionsByTopic",
        "Publish",
    ];
    let actions: Vec<String> = actions.iter().map(|action| format!("SNS:{action}")).collect();
    let policy = json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": "__default_statement_ID", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions, "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}}]});
    put_entry(map, "Policy", &policy.to_string());
    if arn.ends_with(".fifo") {
        put_entry(map, "FifoTopic", "true");
        put_entry(map, "ContentBasedDeduplication", "false");
        put_entry(map, "FifoThroughputScope", "Topic");
    }
}

fn subscription(answer: &mut Answer) {
    let Some(map) = answer.xml_body_mut().and_then(|root| root.find_mut("Attributes")) else { return };
    put_entry(map, "RawMessageDelivery", "false");
    put_entry(map, "PendingConfirmation", "false");
    put_entry(map, "ConfirmationWasAuthenticated", "true");
    put_entry(map, "SubscriptionPrincipal", &format!("arn:aws:iam::{ACCOUNT}:user/test"));
    if map.children.iter().any(|entry| entry.at("key") == Some("FilterPolicy")) {
        put_entry(map, "FilterPolicyScope", "MessageAttributes");
    }
}

fn task_definition(answer: &mut Answer) {
    let Some(definition) = answer.json_body_mut().and_then(|body| body.get_mut("taskDefinition")?.as_object_mut()) else {
        return;
    };
    // AWS leaves out values that were not given. ministack answers them as empty texts.
    definition.retain(|_, value| value.as_str() != Some(""));
    put(definition, &[("volumes", json!([])), ("placementConstraints", json!([])), ("status", json!("ACTIVE"))]);
    for container in definition.get_mut("containerDefinitions").and_then(Value::as_array_mut).into_iter().flatten() {
        let Some(container) = container.as_object_mut() else { continue };
        put(container, &[("cpu", json!(0)), ("essential", json!(true))]);
        for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            put(container, &[(list, json!([]))]);
        }
        for mapping in container.get_mut("portMappings").and_then(Value::as_array_mut).into_iter().flatten() {
            let port = mapping["containerPort"].clone();
            if let Some(mapping) = mapping.as_object_mut() {
                put(mapping, &[("hostPort", port), ("protocol", json!("tcp"))]);
            }
        }
    }
}

fn put(map: &mut Map<String, Value>, defaults: &[(&str, Value)]) {
    for (name, value) in defaults {
        map.entry(*name).or_insert_with(|| value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Body;
    use crate::request::tests::json;

    #[test]
    fn fills_containers() {
        let request = json("ecs", "DescribeTaskDefinition", json!({}));
        let body = json!({"taskDefinition": {"taskRoleArn": "", "containerDefinitions": [{"name": "web", "portMappings": [{"containerPort": 80}]}]}});
        let mut answer = Answer { status: 200, headers: Vec::new(), body: Body::Json(body) };
        fill(&request, &mut answer);
        let definition = &answer.json_body().expect("JSON")["taskDefinition"];
        assert!(definition.get("taskRoleArn").is_none());
        assert_eq!(
            definition["containerDefinitions"][0]["portMappings"][0],
            json!({"containerPort": 80, "hostPort": 80, "protocol": "tcp"})
        );
        assert_eq!(definition["containerDefinitions"][0]["mountPoints"], json!([]));
    }
}
