//! `sns.topic`: a topic under the stack's key.
//!
//! A topic is found by its ARN, which is known from its name. Topics that nothing asks for any more are found by the
//! tag index, and SNS itself confirms each, because SNS can only list a whole account. Names have at most 256
//! characters (SNS API reference, CreateTopic).
//!
//! The access policy is the one that SNS gives a new topic: IAM decides who of this account may do what, and nobody
//! else may do anything. A statement that others have added is taken away; `GetTopicAttributes` shows it.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tag_list;
use crate::aws::{Cx, Error, Look, Tags, collect, policy};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::kms::Key;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Topic;

#[derive(Serialize, Deserialize)]
pub struct TopicSpec {
    pub fifo: bool,
    /// The stack's own key, because alarms and services cannot publish under `alias/aws/sns`.
    pub kms_key: Option<Ref<Key>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TopicState {
    pub name: String,
    pub content_based_deduplication: bool,
    pub kms_key: Option<String>,
    /// The statements of the topic's access policy without SNS's own, by `Sid`. A statement without a `Sid` is named by
    /// its place.
    pub statements: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TopicOutput {
    pub arn: String,
}

impl Kind for Topic {
    const FACTS: Facts = Facts {
        name: "sns.topic",
        fields: &[
            Field::fixed("name"),
            Field::wanted("content_based_deduplication"),
            Field::wanted("kms_key"),
            Field::beside("statements", "statement of its policy"),
        ],
        retry: &[
            Retry::code("ConcurrentAccess", 60),
            Retry::code("StaleTag", 60),
            Retry::text("PrincipalNotFound", 60),
        ],
        actions: &[
            "sns:CreateTopic",
            "sns:DeleteTopic",
            "sns:GetTopicAttributes",
            "sns:ListTagsForResource",
            "sns:SetTopicAttributes",
            "sns:TagResource",
            "sns:UntagResource",
            "tag:GetResources",
        ],
        ..Facts::DEFAULT
    };

    type Spec = TopicSpec;
    type State = TopicState;
    type Output = TopicOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &TopicSpec, outputs: &Outputs) -> Result<TopicState, Missing> {
        let kms_key = match &spec.kms_key {
            Some(key) => Some(outputs.get(key)?.arn),
            None => None,
        };
        Ok(TopicState {
            name: topic_name(scope, name, spec.fifo),
            content_based_deduplication: spec.fifo,
            kms_key,
            statements: BTreeMap::new(),
        })
    }
}

impl OnAws for Topic {
    async fn read(cx: &Cx, query: &Query<'_, Topic>) -> Result<Vec<Live<Topic>>, Error> {
        let wanted = query.named(|name, spec| cx.scope.arn("sns", &topic_name(&cx.scope, name, spec.fifo)));
        let mut arns: Vec<String> = wanted.keys().cloned().collect();
        let hints = query.look.tagged(cx, "sns").await.into_iter();
        arns.extend(hints.filter(|arn| !wanted.contains_key(arn) && arn.split(':').count() == 6));
        collect(arns, |arn| one(cx, arn, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &TopicState) -> Result<TopicOutput, Error> {
        let mut call = cx.sns.create_topic().name(&want.name).set_tags(Some(tag_list(cx.scope.tags(name))?));
        if let Some(key) = &want.kms_key {
            call = call.attributes("KmsMasterKeyId", key);
        }
        if want.name.ends_with(".fifo") {
            call = call.attributes("FifoTopic", "true");
            call = call.attributes("ContentBasedDeduplication", want.content_based_deduplication.to_string());
        }
        Ok(TopicOutput { arn: call.send().await?.topic_arn.unwrap_or_default() })
    }

    async fn update(cx: &Cx, live: &Live<Topic>, want: &TopicState, changed: &Changed) -> Result<(), Error> {
        let set = |name: &str, value: &str| {
            cx.sns.set_topic_attributes().topic_arn(&live.output.arn).attribute_name(name).attribute_value(value).send()
        };
        if changed.has("kms_key") {
            set("KmsMasterKeyId", want.kms_key.as_deref().unwrap_or_default()).await?;
        }
        if changed.has("content_based_deduplication") {
            set("ContentBasedDeduplication", &want.content_based_deduplication.to_string()).await?;
        }
        if changed.has("statements") {
            set("Policy", &default_policy(&cx.scope.account, &live.output.arn).to_string()).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Topic>, _: LastWish) -> Result<(), Error> {
        cx.sns.delete_topic().topic_arn(&live.output.arn).send().await?;
        Ok(())
    }
}

pub fn topic_name(scope: &Scope, name: &str, fifo: bool) -> String {
    match fifo {
        true => format!("{}.fifo", scope.name(name, 251)),
        false => scope.name(name, 256),
    }
}

async fn one(cx: &Cx, arn: String, wanted: &HashMap<String, &str>, look: &Look) -> Result<Option<Live<Topic>>, Error> {
    let wanted = wanted.get(&arn).copied();
    let attributes = cx.sns.get_topic_attributes().topic_arn(&arn).send();
    let (attributes, whose) = tokio::join!(attributes, look.whose(cx, &arn, wanted, tags(cx, &arn)));
    let Some(attributes) = Error::unless_gone(attributes, GONE)?.map(|answer| answer.attributes.unwrap_or_default())
    else {
        return Ok(None);
    };
    let Some(whose) = whose? else {
        return Ok(None);
    };
    let flag = |name: &str| attributes.get(name).is_some_and(|value| value == "true");
    let state = TopicState {
        name: arn.rsplit(':').next().unwrap_or_default().to_owned(),
        content_based_deduplication: flag("ContentBasedDeduplication"),
        kms_key: attributes.get("KmsMasterKeyId").filter(|key| !key.is_empty()).cloned(),
        statements: statements(&cx.scope.account, attributes.get("Policy").map_or("", String::as_str)),
    };
    Ok(Some(Live::ready(whose, arn.clone(), state, TopicOutput { arn })))
}

const DEFAULT: &str = "__default_statement_ID";

/// The access policy that SNS gives a new topic. SNS cannot delete a policy, but this one can be set in its place
/// (hashicorp/terraform-provider-aws, `internal/service/sns/topic_policy.go`, deletes a topic policy so).
fn default_policy(account: &str, arn: &str) -> Value {
    let may = ["AddPermission", "DeleteTopic", "GetTopicAttributes", "ListSubscriptionsByTopic", "Publish"];
    let actions = may.iter().chain(&["RemovePermission", "SetTopicAttributes", "Subscribe"]);
    let actions: Vec<String> = actions.map(|action| format!("SNS:{action}")).collect();
    json!({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [{
        "Sid": DEFAULT, "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": actions, "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account}},
    }]})
}

/// The statements of a topic's access policy without SNS's own, which is for this account alone. AWS has changed the
/// actions of that statement over the years.
fn statements(account: &str, policy: &str) -> BTreeMap<String, Value> {
    let mut statements = policy::statements(&policy::parse(policy));
    statements.retain(|sid, statement| {
        let owner = &statement["Condition"]["StringEquals"];
        let owners = ["AWS:SourceOwner", "aws:SourceOwner"].map(|key| owner[key] == json!([account]));
        sid != DEFAULT || !owners.contains(&true)
    });
    statements
}

/// The tags of a topic. A topic that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.sns.list_tags_for_resource().resource_arn(arn).send().await, GONE)?;
    let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

const GONE: &[&str] = &["NotFound", "NotFoundException", "ResourceNotFound", "ResourceNotFoundException"];

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy of the example of GetTopicAttributes in the SNS API reference, and a statement that was added by
    /// hand.
    #[test]
    fn the_policy_of_a_new_topic_is_none() {
        let recorded = r#"{"Version":"2008-10-17","Id":"us-east-1/698519295917/test__default_policy_ID","Statement" : [{
            "Effect":"Allow","Sid":"__default_statement_ID","Principal" : {"AWS": "*"},"Action":["SNS:GetTopicAttributes",
            "SNS:SetTopicAttributes","SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe",
            "SNS:ListSubscriptionsByTopic","SNS:Publish","SNS:Receive"],"Resource":"arn:aws:sns:us-east-1:123456789012:My-Topic",
            "Condition" : {"StringEquals" : {"AWS:SourceOwner": "123456789012"}}}]}"#;
        let of = |policy: &str| statements("123456789012", policy).into_keys().collect::<Vec<_>>();
        assert_eq!(of(recorded), [""; 0]);
        assert_eq!(of(""), [""; 0]);
        let by_hand = r#"{"Sid":"anybody","Effect":"Allow","Principal":"*","Action":"SNS:Subscribe","Resource":"*"}]}"#;
        assert_eq!(of(&recorded.replace("}}}]}", &format!("}}}}}},{by_hand}"))), ["anybody"]);
        assert_eq!(of(&recorded.replace("123456789012\"}}", "210987654321\"}}")), [DEFAULT], "another account's");
        assert_eq!(of(&default_policy("123456789012", "arn").to_string()), [""; 0]);
    }
}
