//! Which part of a stack file must have asked for what nothing asks for any more. For the reader of a plan, and for who
//! brings up a part only.

use super::logs::FAILED;
use crate::kind::Address;

pub(crate) fn section_of(address: &Address) -> String {
    let name = address.name.as_str();
    let (service, resource) = address.kind.split_once('.').unwrap_or((address.kind, ""));
    match (service, resource) {
        ("sqs", _) if name == FAILED => "logs".to_owned(),
        ("sqs", _) => below("queues", name.strip_suffix("-dead-letter").unwrap_or(name)),
        ("sns", _) if name == "alerts" || name.starts_with("alerts-to-") => "alerts".to_owned(),
        ("sns", "subscription") => match name.split_once("-to-") {
            Some((topic, address)) if address.contains('@') => below("topics", topic),
            Some((_, queue)) => below("queues", queue),
            None => "queues".to_owned(),
        },
        ("sns", _) => below("topics", name),
        ("rds", "instance") => below("databases", name.strip_suffix("-replica").unwrap_or(name)),
        ("rds", "parameter_group") => below("databases", name.rsplit_once("-mysql").map_or(name, |(of, _)| of)),
        ("rds", _) => "databases".to_owned(),
        ("elasticache", "replication_group") => below("caches", name),
        ("elasticache", _) => "caches".to_owned(),
        ("opensearch", _) => below("search", name),
        ("cloudwatch", _) => "alerts".to_owned(),
        ("lambda", _) | ("logs", "subscription_filter") => "logs".to_owned(),
        ("ecs", "cluster") | ("ecr", _) | ("elbv2", "load_balancer" | "listener") => "services".to_owned(),
        ("ecs" | "elbv2" | "autoscaling", _) => below("services", name),
        ("ec2", "security_group" | "security_group_rules") => of_firewall(name),
        ("ec2", _) => "network".to_owned(),
        ("secretsmanager", _) => match name.rsplit_once('-') {
            Some((of, "master" | "app")) => below("databases", of),
            _ => below("caches", name),
        },
        _ => "stack".to_owned(),
    }
}

fn of_firewall(name: &str) -> String {
    let sections = [("database-", "databases"), ("cache-", "caches"), ("search-", "search")];
    let known = sections.iter().find_map(|(prefix, section)| Some(below(section, name.strip_prefix(prefix)?)));
    known.unwrap_or_else(|| if name == "web" { "services".to_owned() } else { below("services", name) })
}

fn below(section: &str, name: &str) -> String {
    format!("{section}.{name}")
}
