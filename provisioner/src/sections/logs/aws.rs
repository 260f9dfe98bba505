//! Expands `logs:` to the log forwarder: a Lambda function that CloudWatch Logs calls and that writes to a search
//! domain. The events that it cannot deliver go to a queue.

use serde_json::{Value, json};

use super::{FAILED, FORWARDER, master, shipping};
use crate::kind::Ref;
use crate::kinds::iam::{Resource, Statement};
use crate::kinds::lambda::{Function, FunctionSpec, Inside, Permission, PermissionSource, PermissionSpec, WayOut};
use crate::kinds::logs::{LogGroup, LogGroupSpec, SubscriptionFilter, SubscriptionFilterSpec};
use crate::kinds::sqs::{Queue, QueueSpec};
use crate::kinds::variable::Variable;
use crate::sections::aws::making::{Expand, Making};
use crate::sections::network::aws as network;
use crate::sections::search::{self, Search};

const SECTION: &str = "logs";

pub(crate) const EXPAND: Option<Expand> = Some(expand);

fn expand(making: &mut Making<'_>) {
    let Some(logs) = making.loaded.stack.shipping() else { return };
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
        rules: Vec::new(),
    };
    making.add::<Queue>(SECTION, FAILED, failed);
    making.export::<Queue>("logs.failed_url".to_owned(), FAILED, "url");
    let inside = Search::is_inside(making.loaded.profile).then(|| {
        let egress = vec![network::anywhere(443), network::from_group(search::firewall(&to), search::PORT)];
        network::group(making, SECTION, FORWARDER, "The log forwarder talks to search", Vec::new(), egress);
        Inside {
            subnets: network::subnets("private", network::zones(making)),
            security_groups: vec![Ref::to(FORWARDER)],
            way_out: network::all_nats(making).into_iter().map(WayOut::Nat).collect(),
        }
    });
    let mut environment = vec![
        ("FAILED_QUEUE_URL".to_owned(), Variable::QueueUrl(Ref::to(FAILED))),
        ("SEARCH_ENDPOINT".to_owned(), Variable::SearchEndpoint(Ref::to(&to))),
    ];
    let readers = shipping::readers(making.loaded, making.scope, &to);
    let variables = shipping::variables(making.loaded, making.scope, &readers).into_iter();
    environment.extend(variables.map(|(name, value)| (name.to_owned(), Variable::Text(value))));
    environment.sort_by(|a, b| a.0.cmp(&b.0));
    let spec = FunctionSpec {
        handler: FORWARDER.to_owned(),
        role: Ref::to(master(&to)),
        log_group: Ref::to(FORWARDER),
        on_failure: Some(Ref::to(FAILED)),
        environment,
        secrets: Vec::new(),
        code_sha256: making.digests.zip.clone(),
        architecture: "x86_64".to_owned(),
        memory: 256,
        // This is the most that Lambda gives. A backfill takes its time.
        timeout: 900,
        concurrency: None,
        kms_key: making.key(),
        inside,
        after: Vec::new(),
        serves: false,
    };
    making.add::<Function>(SECTION, FORWARDER, spec);
    for (service, pattern) in logs.ship {
        let spec = PermissionSpec {
            function: Ref::to(FORWARDER),
            principal: "logs.amazonaws.com".to_owned(),
            source: PermissionSource::LogGroup(Ref::to(service.0.clone())),
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

/// Adds the forwarder's role. It exists before the domain, which names it, and before the function, which has it.
pub(crate) fn role(making: &mut Making<'_>, name: &str, section: &str) {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let statement = |actions, resources| Statement { actions, resources, condition: Value::Null };
    let domain = making.scope.arn("es", &format!("domain/{}/*", making.scope.name(name, 28)));
    let write = words(&["es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut"]);
    let mut statements = vec![statement(write, vec![Resource::Arn(domain)])];
    if let Some(logs) = making.loaded.stack.shipping().filter(|logs| logs.to.0 == name) {
        let shipped = shipping::shipped(making.scope, logs).into_iter().map(Resource::Arn).collect();
        statements.push(statement(words(&["logs:DescribeSubscriptionFilters", "logs:FilterLogEvents"]), shipped));
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
            statements.push(network::interfaces());
        }
    }
    making.role(section, &master(name), "lambda.amazonaws.com", statements);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::image::Digests;
    use crate::kinds::iam::RoleSpec;
    use crate::scope::Scope;
    use crate::sections::aws::expand;

    /// `check` counts the same bytes that are sent later, before it knows any of them: the address of the queue, the
    /// endpoint of the domain.
    #[test]
    fn the_limits_are_counted_as_what_is_sent() {
        let text = String::from(
            "stack: shop\nregion: ap-northeast-2\naccount: \"123456789012\"\nsearch: {logs: {}}\nservices:\n  reader: {role: hello, \
             uses: [logs]}\n  book: {role: reservation, uses: [store, cache, events]}\ndatabases: {store: {}}\ncaches: {cache: {}}\n\
             topics: {events: {}}\n",
        );
        let names: Vec<String> = (0..20).map(|index| format!("service-number-{index}")).collect();
        let services: String = names.iter().map(|name| format!("  {name}: {{role: hello}}\n")).collect();
        let text = text.replace("services:\n", &format!("services:\n{services}"));
        let ship: String = names.iter().map(|name| format!("    {name}: '{{ $.level = \"error\" }}'\n")).collect();
        let logs = format!("logs:\n  to: logs\n  indexes: {{service-number-7: orders}}\n  ship:\n    book: ''\n{ship}");
        for profile in ["dev", "prod"] {
            let environments = format!("environments: {{test: {{profile: {profile}}}}}\n");
            let loaded = crate::sections::load::load(&format!("{text}{logs}{environments}"), "test").expect("a stack");
            let scope = Scope::of(&loaded, "123456789012".into(), "ap-northeast-2".into());
            let logs = loaded.stack.shipping().expect("logs");
            let desired = expand(&loaded, &scope, &Digests::default()).desired;
            let spec = |kind: &str, name: &str| {
                let found = desired.resources().iter().find(|one| one.address.kind == kind && one.address.name == name);
                found.expect("it is made").spec.clone()
            };
            let function: FunctionSpec = spec("lambda.function", FORWARDER).read().expect("its spec");
            let host = "ap-northeast-2";
            let sent: BTreeMap<String, String> = function
                .environment
                .into_iter()
                .map(|(name, value)| match value {
                    Variable::Text(text) => (name, text),
                    Variable::QueueUrl(_) => {
                        (name, format!("https://sqs.{host}.amazonaws.com/123456789012/shop-test-forwarder-failed"))
                    }
                    _ => (name, format!("search-shop-test-logs-{}.{host}.es.amazonaws.com", "x".repeat(26))),
                })
                .collect();
            assert_eq!(json!(sent).to_string().len(), shipping::bytes(&loaded, &scope, logs));
            assert_eq!(sent["READERS"], "shop-test-reader-task=* shop-test-book-task=book-*");
            assert_eq!(sent["READERS_PATH"], "arn:aws:iam::123456789012:role/provision/shop/test/");
            assert_eq!(
                (sent["LOG_GROUPS"].as_str(), sent["INDEXES"].as_str()),
                ("/shop-test/", "service-number-7=orders")
            );

            let role: RoleSpec = spec("iam.role", "logs-writer").read().expect("its spec");
            let statements = role.statements.into_iter().map(|one| {
                let resources = one.resources.into_iter().map(|resource| match resource {
                    Resource::Arn(arn) => arn,
                    Resource::Key(_) => scope.arn("kms", &format!("key/mrk-{}", "x".repeat(32))),
                    // The names have 80 characters at most.
                    _ => scope.arn("logs", &"x".repeat(90)),
                });
                let resources: Vec<String> = resources.collect();
                json!({"Action": one.actions, "Condition": one.condition, "Effect": "Allow", "Resource": resources})
            });
            let policy = json!({"Version": "2012-10-17", "Statement": statements.collect::<Vec<_>>()}).to_string();
            let (most, length) = (shipping::policy(&scope, logs), policy.len());
            assert!(length <= most && length + 1_000 > most, "{profile}: {length} and {most}");
        }
    }
}
