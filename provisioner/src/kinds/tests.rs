//! Tests that each kind and each service keeps the promises of its registry.

use super::*;
use std::collections::BTreeSet;

use crate::image::Digests;
use crate::plan::desired::Desired;
use crate::scope::Scope;
use crate::sections::aws::expand;

#[test]
fn names_are_unique_and_well_formed() {
    let names: BTreeSet<&str> = KINDS.iter().map(|kind| kind.facts().name).collect();
    assert_eq!(names.len(), KINDS.len());
    for name in names {
        let (service, resource) = name.split_once('.').expect("service.resource");
        assert!(!service.is_empty() && resource.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
    }
}

#[test]
fn every_field_of_every_state_says_its_class() {
    for kind in KINDS {
        let facts = kind.facts();
        let said: BTreeSet<String> = facts.fields.iter().map(|field| field.name.to_owned()).collect();
        let there: BTreeSet<String> = kind.state_fields().into_iter().collect();
        assert_eq!(said, there, "{}", facts.name);
        assert_eq!(said.len(), facts.fields.len(), "{} says a field twice", facts.name);
    }
}

#[test]
fn kinds_that_are_read_first_stand_above() {
    for kind in KINDS {
        for parent in kind.facts().read_after {
            assert!(position(parent) < position(kind.facts().name), "{} above {}", parent, kind.facts().name);
        }
    }
}

#[test]
fn every_kind_says_its_actions_and_what_protects_it_is_a_field() {
    for kind in KINDS {
        let facts = kind.facts();
        assert!(!facts.actions.is_empty(), "{}", facts.name);
        assert!(facts.actions.iter().all(|action| action.contains(':')), "{}", facts.name);
        assert!(facts.protection.is_none_or(|field| facts.field(field).is_some()), "{}", facts.name);
    }
}

#[test]
fn every_kind_is_of_a_service_with_a_record_and_every_record_has_kinds() {
    for kind in KINDS {
        let name = kind.facts().name;
        let service = service_of(name).unwrap_or_else(|| panic!("{name}: its service is not in SERVICES"));
        let own = format!("{}:", service.prefix);
        let is_own = |action: &&&str| action.starts_with(&own);
        assert!(
            kind.facts().actions.iter().any(|action| is_own(&action)),
            "{name} calls nothing of `{}`",
            service.prefix
        );
    }
    for service in SERVICES {
        let has_kinds = KINDS.iter().any(|kind| kind.facts().service() == service.name);
        assert!(has_kinds, "`{}` has no kinds", service.name);
    }
    for of in
        [|service: &Service| service.name, |service: &Service| service.prefix, |service: &Service| service.signs_as]
    {
        let all: BTreeSet<&str> = SERVICES.iter().map(|service| of(service)).collect();
        assert_eq!(all.len(), SERVICES.len(), "two services have the same name: {all:?}");
    }
}

#[test]
fn every_kind_has_tags_and_the_calls_for_them_or_says_why_not() {
    for kind in KINDS {
        let facts = kind.facts();
        let calls = match tag_calls(facts.name) {
            Ok(calls) => calls,
            Err(why) => {
                assert!(!why.is_empty(), "{} has tags, and its service has no calls for them", facts.name);
                continue;
            }
        };
        for action in [calls.put_action, calls.remove_action] {
            assert!(facts.actions.contains(&action), "{} has tags, and {action} is not among its actions", facts.name);
        }
    }
}

#[test]
fn every_service_has_a_rate_for_every_call() {
    for service in SERVICES {
        assert!(
            service.rates.iter().any(|rate| rate.takes("AnyCall", false)),
            "{}: no rate takes all calls",
            service.name
        );
        for rate in service.rates {
            assert!(rate.burst >= 1.0 && rate.per_second > 0.0, "{}", rate.bucket);
        }
    }
}

#[test]
fn every_kind_has_a_section_and_mostly_it_is_the_one_that_asks_for_it() {
    for kind in KINDS {
        let address = Address { kind: kind.facts().name, name: "some-name".to_owned() };
        let section = service_of(address.kind).and_then(|service| service.section_of(&address));
        assert!(section.is_some(), "{}: which section of the stack file asks for it?", address.kind);
    }
    // The names of these resources do not tell their section.
    let mut other = Vec::new();
    for wanted in sendy().0.resources() {
        let section = owner_of(&wanted.address);
        if section != wanted.section {
            other.push(format!("{}: {section}, not {}", wanted.address, wanted.section));
        }
    }
    insta::assert_snapshot!(other.join("\n"), @r"
    logs.log_group flow-logs: stack, not network
    iam.role flow-logs: stack, not network
    iam.role logs-writer: stack, not search.logs
    logs.log_group lookup: stack, not services.lookup
    iam.role lookup-execution: stack, not services.lookup
    logs.log_group notification: stack, not services.notification
    iam.role notification-execution: stack, not services.notification
    iam.role notification-task: stack, not services.notification
    logs.log_group reservation: stack, not services.reservation
    iam.role reservation-execution: stack, not services.reservation
    iam.role reservation-task: stack, not services.reservation
    logs.log_group forwarder: stack, not logs
    ec2.security_group forwarder: services.forwarder, not logs
    ec2.security_group_rules forwarder: services.forwarder, not logs
    ");
}

#[test]
fn every_service_says_on_what_it_writes_and_names_only_its_own_actions() {
    for service in SERVICES {
        assert!(!service.writes.is_empty(), "{}: on what may `provision` write?", service.name);
        let own = format!("{}:", service.prefix);
        let dependent = service.dependent.iter().map(|dependent| dependent.action);
        for action in service.on_everything.iter().copied().chain(dependent) {
            assert!(action.starts_with(&own), "{action} is another service's");
        }
    }
}

/// A place other than AWS can use the same plan, and then no SDK is compiled.
#[test]
fn what_makes_a_plan_knows_no_call() {
    let known = ["kind::", "plan::", "scope::"];
    let pure = ["any", "board", "facts", "json", "mod", "owner"].map(|file| format!("kind/{file}.rs"));
    let plan = ["mod", "desired", "diff", "saved", "snapshot"].map(|file| format!("plan/{file}.rs"));
    for file in pure.iter().chain(&plan) {
        let text = std::fs::read_to_string(format!("{}/src/{file}", env!("CARGO_MANIFEST_DIR"))).expect("a file");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default().lines();
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!line.contains("aws_sdk_") && !line.contains("cfg("), "{file}: {line}");
            for path in line.split("crate::").skip(1) {
                let is_known = known.iter().any(|known| path.starts_with(known));
                assert!(is_known, "{file} uses crate::{path}");
            }
        }
    }
}

fn sendy() -> (Desired, Scope) {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../stacks/sendy.yaml")).expect("a stack");
    let loaded = crate::sections::load::load(&text, "prod").expect("no mistakes");
    let scope = Scope::of(&loaded, "123456789012".into(), "eu-west-1".into());
    (expand(&loaded, &scope, &Digests::default()).desired, scope)
}
