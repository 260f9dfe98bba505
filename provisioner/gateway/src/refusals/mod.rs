//! Calls that AWS refuses and emulators accept. Each refusal has a name, by which tests find it in `Gateway::refusals`.

mod apis;
mod duplicates;
mod dynamodb;
mod ec2;
mod ecs;
mod elasticache;
mod elbv2;
mod iam;
mod lambda;
mod messaging;
mod opensearch;
mod rds;
#[cfg(test)]
mod tests;

use crate::account::{Account, Thing};
use crate::answer::{Fault, fault};
use crate::lifecycle::Pace;
use crate::request::Request;

/// The verdict on a call.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// AWS refuses the call.
    Refuse(&'static str, Fault),
    /// AWS refuses the call for now, and accepts it a little later. It is nobody's mistake, so it is not among the
    /// refusals.
    Later(Fault),
    /// AWS accepts the call, but it is a mistake.
    Notice(&'static str, String),
}

pub(crate) fn refuse(rule: &'static str, status: u16, code: &str, message: impl Into<String>) -> Option<Verdict> {
    Some(Verdict::Refuse(rule, fault(status, code, message)))
}

pub(crate) fn judge(account: &Account, pace: &Pace, request: &Request) -> Option<Verdict> {
    if !request.write() {
        return None;
    }
    let verdict = match request.service.as_str() {
        "ec2" => ec2::judge(account, request),
        "rds" => rds::judge(account, request),
        "elasticache" => elasticache::judge(account, request),
        "opensearch" => opensearch::judge(account, request),
        "elbv2" => elbv2::judge(account, request),
        "ecs" | "application-autoscaling" => ecs::judge(account, request),
        "apigatewayv2" => apis::judge(account, request),
        "events" => apis::judge_rule(account, request),
        "lambda" | "logs" => lambda::judge(account, pace, request),
        "dynamodb" => dynamodb::judge(account, pace, request),
        "iam" | "secretsmanager" => iam::judge(account, request),
        "sns" | "sqs" | "cloudwatch" => messaging::judge(account, pace, request),
        _ => None,
    };
    verdict.or_else(|| duplicates::judge(account, request))
}

/// The things that hold a subnet or a security group with network interfaces, directly or through a group of subnets.
fn holders<'a>(account: &'a Account, home: &'a str, what: &str) -> Vec<&'a Thing> {
    const HOLDERS: &[&str] = &[
        "rds.instance",
        "elasticache.replication_group",
        "opensearch.domain",
        "elbv2.load_balancer",
        "lambda.function",
        "ec2.nat_gateway",
        "ec2.endpoint",
        "ec2.network_interface",
        "ecs.service",
    ];
    let mut found: Vec<&Thing> = account.users(home, what);
    for group in account.users(home, what) {
        if group.kind.ends_with(".subnet_group") {
            found.extend(account.users(home, &format!("{}:{}", group.kind, group.id)));
        }
    }
    found.retain(|thing| HOLDERS.contains(&thing.kind));
    found
}

/// `rds.instance main, elbv2.load_balancer arn:...` for error messages.
fn names(things: &[&Thing]) -> String {
    things.iter().map(|thing| format!("{} {}", thing.kind, thing.id)).collect::<Vec<_>>().join(", ")
}
