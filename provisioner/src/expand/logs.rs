//! `logs:` -> the log forwarder: a Lambda function that CloudWatch Logs calls and that writes to a search domain. What it
//! cannot deliver goes to a queue.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Making, network, search};
use crate::kind::Ref;
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::lambda::{Function, FunctionSpec, Inside, Permission, PermissionSpec};
use crate::kinds::logs::{LogGroup, LogGroupSpec, SubscriptionFilter, SubscriptionFilterSpec};
use crate::kinds::sqs::{Queue, QueueSpec};
use crate::kinds::variable::Variable;
use crate::stack::Search;

const SECTION: &str = "logs";
/// The function, its log group, its firewall group.
pub(super) const FORWARDER: &str = "forwarder";
pub(crate) const FAILED: &str = "forwarder-failed";

pub(super) fn expand(making: &mut Making<'_>) {
    let Some(logs) = &making.loaded.stack.logs else { return };
    let to = logs.to.0.clone();
    let group =
        LogGroupSpec { path: making.log_path(FORWARDER), retention_days: making.log_days(), kms_key: making.key() };
    making.add::<LogGroup>(SECTION, FORWARDER, group);
    let failed = QueueSpec {
        fifo: false,
        visibility_timeout: 30,
        retention: 1_209_600,
        delay: 0,
        dead_letter: None,
        from: Vec::new(),
    };
    making.add::<Queue>(SECTION, FAILED, failed);
    making.export::<Queue>("logs.failed_url".to_owned(), FAILED, "url");
    let inside = Search::is_inside(making.loaded.profile).then(|| {
        let egress = vec![network::anywhere(443), network::from_group(search::firewall(&to), search::PORT)];
        network::group(making, SECTION, FORWARDER, "The log forwarder talks to search", Vec::new(), egress);
        Inside {
            subnets: network::subnets("private", network::zones(making)),
            security_groups: vec![Ref::to(FORWARDER)],
            way_out: network::all_nats(making),
        }
    });
    let shipped: BTreeMap<String, &String> =
        logs.ship.iter().map(|(service, pattern)| (making.log_path(&service.0), pattern)).collect();
    let indexes: BTreeMap<String, &str> =
        logs.ship.keys().map(|service| (making.log_path(&service.0), logs.index_of(service))).collect();
    let mut environment = vec![
        ("FAILED_QUEUE_URL".to_owned(), Variable::QueueUrl(Ref::to(FAILED))),
        ("INDEXES".to_owned(), Variable::Text(json!(indexes).to_string())),
        ("INDEX_PREFIX".to_owned(), Variable::Text(making.loaded.stack.stack.0.clone())),
        ("SEARCH_ENDPOINT".to_owned(), Variable::SearchEndpoint(Ref::to(&to))),
        ("SHIPPED".to_owned(), Variable::Text(json!(shipped).to_string())),
    ];
    let readers = search::readers(making, &to);
    if !readers.is_empty() {
        environment.push(("READERS".to_owned(), Variable::Text(json!(readers).to_string())));
    }
    environment.sort_by(|a, b| a.0.cmp(&b.0));
    let spec = FunctionSpec {
        handler: FORWARDER.to_owned(),
        role: Ref::to(master(&to)),
        log_group: Ref::to(FORWARDER),
        on_failure: Ref::to(FAILED),
        environment,
        code_sha256: making.digests.zip.clone(),
        architecture: "x86_64".to_owned(),
        memory: 256,
        // The most that Lambda gives: a backfill takes its time.
        timeout: 900,
        kms_key: making.key(),
        inside,
    };
    making.add::<Function>(SECTION, FORWARDER, spec);
    for (service, pattern) in &logs.ship {
        let spec = PermissionSpec {
            function: Ref::to(FORWARDER),
            principal: "logs.amazonaws.com".to_owned(),
            log_group: Ref::to(service.0.clone()),
        };
        let permission = format!("logs-{service}");
        making.add::<Permission>(SECTION, &permission, spec);
        let spec = SubscriptionFilterSpec {
            log_group: Ref::to(service.0.clone()),
            pattern: pattern.clone(),
            function: Ref::to(FORWARDER),
            permission: Ref::to(permission),
        };
        making.add::<SubscriptionFilter>(SECTION, &service.0, spec);
    }
}

/// The forwarder's role is the master user of its search domain.
pub(super) fn master(search: &str) -> String {
    format!("{search}-writer")
}

/// That role. It exists before the domain, which names it, and before the function, which has it.
pub(super) fn role(making: &mut Making<'_>, name: &str, section: &str) {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let statement = |actions, resources| Statement { actions, resources, condition: Value::Null };
    let domain = making.scope.arn("es", &format!("domain/{}/*", making.scope.name(name, 28)));
    let write = words(&["es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut"]);
    let mut statements = vec![statement(write, vec![Resource::Arn(domain)])];
    if let Some(logs) = making.loaded.stack.logs.as_ref().filter(|logs| logs.to.0 == name) {
        let shipped = logs
            .ship
            .keys()
            .map(|service| making.scope.arn("logs", &format!("log-group:{}:*", making.log_path(&service.0))));
        let shipped = shipped.map(Resource::Arn).collect();
        statements.push(statement(words(&["logs:FilterLogEvents"]), shipped));
        let log = words(&["logs:CreateLogStream", "logs:PutLogEvents"]);
        statements.push(statement(log, vec![Resource::LogStreams(Ref::to(FORWARDER))]));
        statements.push(statement(words(&["sqs:SendMessage"]), vec![Resource::Queue(Ref::to(FAILED))]));
        let through = making.scope.regional("lambda");
        statements.push(Statement {
            actions: words(&["kms:Decrypt"]),
            resources: vec![Resource::Key(making.key())],
            condition: json!({"StringEquals": {"kms:ViaService": through}}),
        });
        if Search::is_inside(making.loaded.profile) {
            // Network interfaces are made before they have a name that a policy could hold (Lambda developer guide, VPC).
            let interfaces = [
                "ec2:AssignPrivateIpAddresses",
                "ec2:CreateNetworkInterface",
                "ec2:DeleteNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:UnassignPrivateIpAddresses",
            ];
            statements.push(statement(words(&interfaces), vec![Resource::Arn("*".to_owned())]));
        }
    }
    making.role(section, &master(name), "lambda.amazonaws.com", statements);
}
