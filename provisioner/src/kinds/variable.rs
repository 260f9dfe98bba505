//! An environment variable whose value comes from another resource. Task definitions and functions share it.

use serde::{Deserialize, Serialize};

use crate::kind::{Missing, Outputs, Ref};
use crate::kinds::apigatewayv2::Api;
use crate::kinds::dynamodb::Table;
use crate::kinds::elasticache::ReplicationGroup;
use crate::kinds::elbv2::LoadBalancer;
use crate::kinds::opensearch::Domain;
use crate::kinds::rds::Instance;
use crate::kinds::sns::Topic;
use crate::kinds::sqs::Queue;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    Text(String),
    TopicArn(Ref<Topic>),
    QueueUrl(Ref<Queue>),
    TableName(Ref<Table>),
    /// The address of an API: scheme and host, without a slash at the end.
    ApiUrl(Ref<Api>),
    /// The address of a load balancer under its own name: scheme and host, without a slash at the end.
    BalancerUrl(Ref<LoadBalancer>),
    /// The host of a primary. A service waits for it, because without a primary it can answer nothing.
    DatabaseHost(Ref<Instance>),
    /// The host of a replica. It comes with a second revision, so that serving does not wait for it.
    ReplicaHost(Ref<Instance>),
    CacheHost(Ref<ReplicationGroup>),
    CacheReaderHost(Ref<ReplicationGroup>),
    /// The endpoint of a search domain. A service waits for it.
    SearchEndpoint(Ref<Domain>),
    /// The endpoint of a search domain, for those who can start without it.
    LateSearchEndpoint(Ref<Domain>),
}

impl Variable {
    /// The value of the variable. `None` while it may be absent.
    pub fn value(&self, outputs: &Outputs) -> Result<Option<String>, Missing> {
        Ok(match self {
            Variable::Text(text) => Some(text.clone()),
            Variable::TopicArn(topic) => Some(outputs.get(topic)?.arn),
            Variable::QueueUrl(queue) => Some(outputs.get(queue)?.url),
            Variable::TableName(table) => Some(outputs.get(table)?.name),
            Variable::ApiUrl(api) => Some(outputs.get(api)?.url),
            Variable::BalancerUrl(balancer) => Some(format!("http://{}", outputs.get(balancer)?.dns_name)),
            Variable::DatabaseHost(instance) => Some(outputs.ready(instance)?.address),
            Variable::ReplicaHost(instance) => outputs.late(instance)?.map(|ready| ready.address),
            Variable::CacheHost(group) => Some(outputs.ready(group)?.primary),
            Variable::CacheReaderHost(group) => Some(outputs.ready(group)?.reader),
            Variable::SearchEndpoint(domain) => Some(outputs.ready(domain)?.endpoint),
            Variable::LateSearchEndpoint(domain) => outputs.late(domain)?.map(|ready| ready.endpoint),
        })
    }
}
