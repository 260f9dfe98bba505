//! One row for each kind: the names of its resources, its outputs in CloudFormation, and the function that writes them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::it::It;
use super::{
    apigatewayv2, autoscaling, cloudwatch, dynamodb, ec2, ecr, ecs, elasticache, elbv2, events, iam, kms, lambda, logs,
    opensearch, rds, secretsmanager, sns, sqs, tokens,
};
use crate::kind::json::Json;
use crate::scope::Scope;
use Gives::{Att, Made, Nothing, Parameter, Ref};

pub(super) struct Row {
    kind: &'static str,
    /// The last word of the ids.
    pub(super) word: &'static str,
    /// The values for other resources, by the name of the output.
    outputs: &'static [(&'static str, Gives)],
    /// The ARN, if other resources may know it beforehand.
    pub(super) known: Option<fn(&Scope, &Value) -> String>,
    pub(super) write: fn(&mut It<'_>, &Json, &Json),
}

#[derive(Clone, Copy)]
pub(super) enum Gives {
    Ref,
    Att(&'static str),
    /// The value follows from the resource's id and state.
    Made(fn(&Scope, &str, &Value) -> String),
    Parameter(&'static str),
    /// CloudFormation cannot give the value.
    Nothing,
}

const fn row(
    kind: &'static str,
    word: &'static str,
    outputs: &'static [(&'static str, Gives)],
    write: fn(&mut It<'_>, &Json, &Json),
) -> Row {
    Row { kind, word, outputs, known: None, write }
}

#[rustfmt::skip]
static ROWS: &[Row] = &[
    row("kms.key", "Key", &[("arn", Att("Arn")), ("id", Ref)], |it, _, want| kms::key(it, of(want))),
    row("secretsmanager.secret", "Secret", &[("arn", Ref), ("version_id", Nothing), ("previous", Nothing)], |it, _, want| secretsmanager::secret(it, of(want))),
    row("logs.log_group", "LogGroup", &[("arn", Made(logs::arn)), ("name", Ref)], |it, _, want| logs::log_group(it, of(want))),
    row("sns.topic", "Topic", &[("arn", Ref)], |it, _, want| sns::topic(it, of(want))),
    row("sqs.queue", "Queue", &[("arn", Att("Arn")), ("url", Ref)], |it, _, want| sqs::queue(it, of(want))),
    row("dynamodb.table", "Table", &[("arn", Att("Arn")), ("name", Ref), ("stream_arn", Att("StreamArn"))], |it, _, want| dynamodb::table(it, of(want))),
    row("sns.subscription", "Subscription", &[], |it, spec, want| sns::subscription(it, of(spec), of(want))),
    Row { known: Some(iam::known), ..row("iam.role", "Role", &[("arn", Att("Arn")), ("name", Ref)], |it, _, want| iam::role(it, of(want))) },
    row("ec2.vpc", "Vpc", &[("id", Ref)], |it, _, want| ec2::vpc(it, of(want))),
    row("ec2.subnet", "Subnet", &[("id", Ref), ("zone", Att("AvailabilityZone"))], |it, spec, want| ec2::subnet(it, of(spec), of(want))),
    row("ec2.internet_gateway", "InternetGateway", &[("id", Ref)], |it, _, want| ec2::internet_gateway(it, of(want))),
    row("ec2.elastic_ip", "Address", &[("allocation_id", Att("AllocationId")), ("address", Ref)], |it, spec, want| ec2::elastic_ip(it, of(spec), of(want))),
    row("ec2.nat_gateway", "Gateway", &[("id", Ref)], |it, spec, want| ec2::nat_gateway(it, of(spec), of(want))),
    row("ec2.route_table", "RouteTable", &[("id", Ref)], |it, spec, want| ec2::route_table(it, of(spec), of(want))),
    row("ec2.vpc_endpoint", "Endpoint", &[("id", Ref)], |it, _, want| ec2::vpc_endpoint(it, of(want))),
    row("ec2.security_group", "SecurityGroup", &[("id", Att("GroupId"))], |it, _, want| ec2::security_group(it, of(want))),
    row("ec2.security_group_rules", "Rules", &[], |it, spec, _| ec2::security_group_rules(it, of(spec))),
    // The default group comes with the network, and CloudFormation cannot empty it. `by_hand` says what to do.
    row("ec2.default_security_group", "DefaultGroup", &[], |_, _, _| ()),
    row("ec2.flow_log", "FlowLog", &[("id", Ref)], |it, _, want| ec2::flow_log(it, of(want))),
    row("rds.subnet_group", "DatabaseSubnets", &[("name", Ref)], |it, _, want| rds::subnet_group(it, of(want))),
    row("rds.parameter_group", "Parameters", &[("name", Ref)], |it, _, want| rds::parameter_group(it, of(want))),
    row("rds.instance", "Database", &[("arn", Att("DBInstanceArn")), ("identifier", Ref), ("address", Att("Endpoint.Address")), ("resource", Att("DbiResourceId"))], |it, spec, want| rds::instance(it, of(spec), of(want))),
    row("elasticache.subnet_group", "CacheSubnets", &[("name", Ref)], |it, _, want| elasticache::subnet_group(it, of(want))),
    row("elasticache.replication_group", "Cache", &[("arn", Made(elasticache::arn)), ("primary", Att("PrimaryEndPoint.Address")), ("reader", Att("ReaderEndPoint.Address"))], |it, _, want| elasticache::replication_group(it, of(want))),
    row("opensearch.domain", "Domain", &[("arn", Att("Arn")), ("name", Ref), ("endpoint", Att("DomainEndpoint"))], |it, _, want| opensearch::domain(it, of(want))),
    row("elbv2.load_balancer", "LoadBalancer", &[("arn", Ref), ("dns_name", Att("DNSName")), ("full_name", Att("LoadBalancerFullName"))], |it, spec, want| elbv2::load_balancer(it, of(spec), of(want))),
    row("elbv2.target_group", "TargetGroup", &[("arn", Ref), ("full_name", Att("TargetGroupFullName"))], |it, _, want| elbv2::target_group(it, of(want))),
    row("elbv2.listener", "Listener", &[("arn", Ref)], |it, _, want| elbv2::listener(it, of(want))),
    row("elbv2.rule", "ListenerRule", &[("arn", Ref)], |it, _, want| elbv2::rule(it, of(want))),
    row("ecr.repository", "Repository", &[("arn", Att("Arn")), ("name", Ref), ("uri", Att("RepositoryUri"))], |it, _, want| ecr::repository(it, of(want))),
    // A template holds no bytes, so the image is a parameter.
    row("ecr.image", "Image", &[("uri", Parameter(super::parameters::IMAGE))], |_, _, _| ()),
    row("ecs.cluster", "Cluster", &[("arn", Att("Arn")), ("name", Ref)], |it, _, want| ecs::cluster(it, of(want))),
    row("ecs.task_definition", "Task", &[("arn", Ref)], |it, spec, want| ecs::task_definition(it, of(spec), of(want))),
    row("ecs.service", "Service", &[("arn", Ref), ("name", Att("Name")), ("scaling_id", Made(ecs::scaling_id))], |it, spec, want| ecs::service(it, of(spec), of(want))),
    row("autoscaling.target", "ScalableTarget", &[("scaling_id", Made(autoscaling::scaling_id))], |it, spec, want| autoscaling::target(it, of(spec), of(want))),
    row("autoscaling.policy", "ScalingPolicy", &[("arn", Ref)], |it, spec, want| autoscaling::policy(it, of(spec), of(want))),
    row("lambda.function", "Function", &[("arn", Att("Arn")), ("name", Ref)], |it, spec, want| lambda::function(it, of(spec), of(want))),
    row("events.rule", "Rule", &[("arn", Att("Arn")), ("name", Ref)], |it, spec, want| events::rule(it, of(spec), of(want))),
    row("apigatewayv2.api", "Api", &[("id", Ref), ("arn", Made(apigatewayv2::arn)), ("url", Att("ApiEndpoint"))], |it, _, want| apigatewayv2::api(it, of(want))),
    // A call, which no template makes. It is a step by hand.
    row("lambda.migration", "Migration", &[("migrated", Nothing)], |_, _, _| ()),
    row("lambda.permission", "Permission", &[("source_arn", Nothing)], |it, spec, want| lambda::permission(it, of(spec), of(want))),
    row("lambda.source", "Source", &[("arn", Att("EventSourceMappingArn")), ("id", Ref)], |it, spec, want| lambda::source(it, of(spec), of(want))),
    row("logs.subscription_filter", "SubscriptionFilter", &[], |it, spec, want| logs::subscription_filter(it, of(spec), of(want))),
    row("cloudwatch.alarm", "Alarm", &[], |it, spec, want| cloudwatch::alarm(it, of(spec), of(want))),
    row("cloudwatch.dashboard", "Dashboard", &[], |it, _, want| cloudwatch::dashboard(it, of(want))),
];

pub(super) fn find(kind: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.kind == kind)
}

impl Row {
    pub(super) fn gives(&self, output: &str) -> Option<Gives> {
        self.outputs.iter().find(|(name, _)| *name == output).map(|(_, gives)| *gives)
    }
}

impl Gives {
    pub(super) fn text(self, scope: &Scope, id: &str, want: &Value) -> String {
        match self {
            Ref => tokens::of(id, ""),
            Att(attribute) => tokens::of(id, attribute),
            Made(make) => make(scope, id, want),
            Parameter(name) => tokens::pseudo(name),
            Nothing => String::new(),
        }
    }
}

fn of<T: DeserializeOwned>(value: &Json) -> T {
    value.read().expect("the kind itself wrote it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_kind_has_a_row_and_every_text_that_it_gives_is_in_it() {
        for kind in KINDS {
            let name = kind.facts().name;
            let row = find(name).unwrap_or_else(|| panic!("{name} has no row: what does it become in CloudFormation?"));
            let (output, ready) = kind.blank();
            for (field, blank) in output.as_object().into_iter().chain(ready.as_object()).flatten() {
                assert!(!blank.is_string() || row.gives(field).is_some(), "{name}: what is `{field}`?");
            }
        }
        assert_eq!(ROWS.len(), KINDS.len());
    }
}
