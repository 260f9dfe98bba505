//! The kinds of AWS resources, and the services that they belong to. Each thing has one file, and one line in [`KINDS`]
//! or [`SERVICES`].
//!
//! # Adding a kind
//!
//! 1. Write `kinds/<service>/<resource>.rs`: a unit struct that implements [`crate::kind::Kind`], the pure part, and
//!    [`on_aws::OnAws`], the calls. Begin with a copy of a kind that is found in the same way. `rds/subnet_group.rs` is
//!    found by its name in a list of the whole account, `sqs/queue.rs` by its name alone, `ec2/elastic_ip.rs` by its
//!    tags, `logs/subscription_filter.rs` through its parent. The comment at the top says how the resource is found,
//!    what AWS allows in its name and how long the calls take, with the page or log that says so.
//! 2. Add it to `kinds/<service>/mod.rs`, and one line to [`KINDS`], below the kinds that it is read after.
//! 3. Look at the record of the service, in the same `mod.rs`. `section` needs an arm for the kind. `writes` needs a
//!    form if the ARNs of the kind have a form of their own, and a line if something else than the name binds them.
//! 4. Add a row to `export/registry.rs`, with the function that writes the resource for CloudFormation.
//! 5. Add the resource where a section of the stack file asks for it: `making.add::<Kind>(section, name, spec)`.
//! 6. Run `cargo test --workspace --lib`. The tests of the registries name what is missing. Then write a test with
//!    `settle` in `tests/kinds_*.rs`: it makes the resource on an emulator, and the second plan has to be empty.
//!
//! Two tables know more about some kinds, and have nothing to say about most kinds: `doctor/quotas.rs` (whether the
//! account has room) and `commands/aws/health.rs` (what `status` tells beyond ready or not).
//!
//! # Adding a service
//!
//! 1. Add the SDK to `Cargo.toml`, as an optional dependency of the feature `aws`, and a client to [`crate::aws::Cx`].
//! 2. Write `kinds/<service>/mod.rs` with the static `SERVICE`. `sqs/mod.rs` is a short one. [`service::Service`] says
//!    what each line means. No line has a default, so none can be forgotten.
//! 3. Add one line to [`SERVICES`], then a kind as above.
//!
//! # What others put on a resource of ours
//!
//! If somebody has put rights, routes or traffic on a resource of ours by hand, a plan shows them under that resource,
//! and `up` takes them away. *Whole* means that the field is compared as a whole, so an addition differs. *Beside*
//! means a [`crate::kind::facts::Field::beside`] of the resource. *Child* means a resource of its own, [`crate::kind::owner::Owner::Beside`],
//! that is deleted.
//!
//! | on | what others can put there | seen as | calls of a plan |
//! |---|---|---|---|
//! | `iam.role` | trust, attached policies; inline policies | whole; beside | 1 for all roles, else 3 a role |
//! | `lambda.function` | function URLs, layers; destinations, reserved concurrency | beside; whole | 3 a function |
//! | `lambda.function` | statements of its policy; event source mappings | child | 1 a function; 1 for all |
//! | `events.rule` | targets | beside | 1 a rule |
//! | `apigatewayv2.api` | routes; integrations, stages | whole; beside | 3 an API |
//! | `elbv2.load_balancer` | listeners | child | none more |
//! | `elbv2.listener` | rules; certificates | child; beside | none more; 1 a listener with TLS |
//! | `ec2.route_table` | routes, subnets | whole | none more |
//! | `ec2.security_group_rules`, `ec2.default_security_group` | rules, in and out | whole | none more |
//! | `ec2.vpc_endpoint` | another policy | beside | none more |
//! | `sns.topic` | statements of its policy; subscriptions | beside; child | none more |
//! | `sqs.queue`, `kms.key`, `opensearch.domain` | statements of their policies | whole | none more |
//! | `secretsmanager.secret`, `ecr.repository` | a resource policy | beside | 1 each |
//! | `dynamodb.table` | resource policies of the table and its stream | beside | 1 a table, 2 with a stream |
//! | `logs.log_group` | subscription filters | child | 1 a group |
//! | `autoscaling.target` | scaling policies | child | 1 a target |
//! | `ecs.service`, `ecs.task_definition` | target groups; containers, secrets | whole | none more |
//! | `cloudwatch.alarm` | actions; those for other states | whole; beside | none more |
//!
//! Some things are not a difference, because AWS puts them there by itself: the default statement of a topic
//! and of an endpoint, the default rule of a listener, the local route, routes of endpoints and propagated ones. The
//! inline policy by which AWS's console ends the sessions of a role stays as well: it only denies.
//!
//! These things are not seen:
//!
//! - Another user or role of the account in the statement `Maker` of the key, which names who made it.
//! - Grants on the key. Services make grants for themselves, and nothing tells these from grants of others.
//! - Targets that somebody registers beside a service's tasks. Targets come and go.
//! - Statements and addresses of a function's *versions and aliases*. Our functions have none (but their addresses are
//!   seen).
//! - Copies of a table's changes to Kinesis, and replicas of a table in other regions.
//! - Scheduled scaling. It shows when it acts.
//! - Things of the whole account: resource policies of CloudWatch Logs, account-wide subscriptions, flow logs of
//!   others.

pub mod apigatewayv2;
pub mod autoscaling;
pub mod cloudwatch;
pub mod dynamodb;
pub mod ec2;
pub mod ecr;
pub mod ecs;
pub mod elasticache;
pub mod elbv2;
pub mod events;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
mod named;
pub mod on_aws;
pub mod opensearch;
pub mod rds;
pub mod secretsmanager;
pub mod service;
pub mod sns;
pub mod sqs;
pub mod variable;

use crate::aws::limits::Rate;
use crate::kind::any::Registry;
use crate::kind::facts::Address;
use crate::kind::owner::Owner;
use crate::kinds::on_aws::AnyOnAws;
use service::{Service, TagCalls};

/// All kinds. A kind stands before the kinds that use it. Orphans are deleted from the bottom up.
pub static KINDS: &[&dyn AnyOnAws] = &[
    &kms::Key,
    &secretsmanager::Secret,
    &logs::LogGroup,
    &sns::Topic,
    &sqs::Queue,
    &dynamodb::Table,
    &iam::Role,
    &ec2::Vpc,
    &ec2::Subnet,
    &ec2::InternetGateway,
    &ec2::ElasticIp,
    &ec2::NatGateway,
    &ec2::RouteTable,
    &ec2::SecurityGroup,
    &ec2::SecurityGroupRules,
    &ec2::VpcEndpoint,
    &ec2::DefaultSecurityGroup,
    &ec2::FlowLog,
    &rds::SubnetGroup,
    &rds::ParameterGroup,
    &rds::Instance,
    &elasticache::SubnetGroup,
    &elasticache::ReplicationGroup,
    &opensearch::Domain,
    &elbv2::LoadBalancer,
    &elbv2::TargetGroup,
    &elbv2::Listener,
    &elbv2::Rule,
    &ecr::Repository,
    &ecr::Image,
    &ecs::Cluster,
    &ecs::TaskDefinition,
    &ecs::Service,
    &autoscaling::Target,
    &autoscaling::Policy,
    &lambda::Function,
    &lambda::Migration,
    &sns::Subscription,
    &events::Rule,
    &apigatewayv2::Api,
    &lambda::Permission,
    &lambda::Source,
    &logs::SubscriptionFilter,
    &cloudwatch::Alarm,
    &cloudwatch::Dashboard,
];

/// Every service that has kinds.
pub static SERVICES: &[&Service] = &[
    &kms::SERVICE,
    &secretsmanager::SERVICE,
    &logs::SERVICE,
    &sns::SERVICE,
    &sqs::SERVICE,
    &dynamodb::SERVICE,
    &iam::SERVICE,
    &ec2::SERVICE,
    &rds::SERVICE,
    &elasticache::SERVICE,
    &opensearch::SERVICE,
    &elbv2::SERVICE,
    &ecr::SERVICE,
    &ecs::SERVICE,
    &autoscaling::SERVICE,
    &lambda::SERVICE,
    &events::SERVICE,
    &apigatewayv2::SERVICE,
    &cloudwatch::SERVICE,
];

/// The kinds that a stack becomes on AWS.
pub const REGISTRY: Registry = Registry {
    find: |name| Some(find(name)?),
    position,
    owner_of: |live| match &live.owner {
        Owner::Beside(on) => owner_of(on),
        _ => owner_of(&live.address),
    },
};

pub fn find(name: &str) -> Option<&'static dyn AnyOnAws> {
    KINDS.iter().find(|kind| kind.facts().name == name).copied()
}

/// The place of a kind in the registry.
pub fn position(name: &str) -> usize {
    KINDS.iter().position(|kind| kind.facts().name == name).unwrap_or(usize::MAX)
}

/// The record of the service that a kind belongs to.
pub fn service_of(kind: &str) -> Option<&'static Service> {
    let (name, _) = kind.split_once('.')?;
    SERVICES.iter().find(|service| service.name == name).copied()
}

/// The rate of a call to the service with this name in signatures.
pub fn rate_of(signs_as: &str, action: &str, is_read: bool) -> Option<&'static Rate> {
    let record = SERVICES.iter().find(|service| service.signs_as == signs_as)?;
    let rate = record.rates.iter().find(|rate| rate.takes(action, is_read));
    Some(rate.expect("the last rate takes every call: a test says so"))
}

/// The section of the stack file that must have asked for a resource which nothing asks for any more. It is for the
/// reader of a plan, and for people who bring up only a part of a stack.
pub fn owner_of(address: &Address) -> String {
    let section = service_of(address.kind).and_then(|service| service.section_of(address));
    section.expect("the service of each kind knows it: a test says so")
}

/// The calls that change the tags of a kind's resources, or why there are none.
pub fn tag_calls(kind: &str) -> Result<&'static TagCalls, &'static str> {
    let untagged = find(kind).map_or("it is of no known kind", |kind| kind.facts().untagged);
    match service_of(kind).and_then(|service| service.tags.as_ref()) {
        Some(calls) if untagged.is_empty() => Ok(calls),
        _ => Err(untagged),
    }
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
