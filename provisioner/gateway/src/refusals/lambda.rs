//! Functions, the rights to call them, and settings of log groups.

use super::{Verdict, refuse};
use crate::account::{Account, last_part};
use crate::answer::fault;
use crate::lifecycle::Pace;
use crate::request::Request;
use serde_json::Value;

/// The retentions that CloudWatch Logs has, in days.
const RETENTION: &[i64] =
    &[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// The calls at a time that an account may reserve: all of its 1,000 but 100.
const RESERVABLE: i64 = 900;

pub(super) fn judge(account: &Account, pace: &Pace, request: &Request) -> Option<Verdict> {
    match request.action.as_str() {
        "CreateFunction" => role(account, pace, request),
        "PutFunctionConcurrency" => {
            let reserved = request.number("ReservedConcurrentExecutions")?;
            let message = "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100].";
            if reserved <= RESERVABLE {
                return None;
            }
            refuse("reserved-concurrency", 400, "InvalidParameterValueException", message)
        }
        "CreateEventSourceMapping" => mapping(account, request),
        "PutRetentionPolicy" => {
            let days = request.number("retentionInDays")?;
            if RETENTION.contains(&days) {
                return None;
            }
            refuse(
                "retention-days",
                400,
                "InvalidParameterException",
                format!("1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint"),
            )
        }
        "PutSubscriptionFilter" => subscription(account, request),
        _ => None,
    }
}

fn role(account: &Account, pace: &Pace, request: &Request) -> Option<Verdict> {
    let message = "The role defined for the function cannot be assumed by Lambda.";
    let arn = request.text("Role")?;
    let name = arn.rsplit('/').next().unwrap_or(arn);
    let Some(role) = account.anywhere("iam.role", name) else {
        return refuse("lambda-role", 400, "InvalidParameterValueException", message);
    };
    if !role.text("AssumeRolePolicyDocument").is_some_and(|policy| policy.contains("lambda.amazonaws.com")) {
        return refuse("lambda-role", 400, "InvalidParameterValueException", message);
    }
    // Other services know a new role after 7 to 9 seconds.
    if role.since.elapsed() < pace.real(8) {
        return Some(Verdict::Later(fault(400, "InvalidParameterValueException", message)));
    }
    None
}

fn mapping(account: &Account, request: &Request) -> Option<Verdict> {
    let source = request.text("EventSourceArn")?;
    let name = last_part(request.text("FunctionName")?);
    let twin = account.of_kind(&request.home, "lambda.mapping").find(|other| {
        other.text("EventSourceArn") == Some(source) && other.text("FunctionName").map(last_part).as_ref() == Some(&name)
    });
    if let Some(twin) = twin {
        let message = format!(
            "An event source mapping with SQS arn (\" {source} \") and function (\" {name} \") already exists. Please update or \
             delete the existing mapping with UUID {}",
            twin.id
        );
        return refuse("duplicate-mapping", 409, "ResourceConflictException", message);
    }
    let timeout =
        account.get(&request.home, "lambda.function", &name)?.params.get("Timeout").and_then(Value::as_i64).unwrap_or(3);
    let queue = account.get(&request.home, "sqs.queue", source.rsplit(':').next().unwrap_or(source))?;
    let visible = queue.text("attribute.VisibilityTimeout").and_then(|text| text.parse::<i64>().ok()).unwrap_or(30);
    if visible < timeout {
        let message = format!("Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds");
        return refuse("visibility-timeout", 400, "InvalidParameterValueException", message);
    }
    None
}

fn subscription(account: &Account, request: &Request) -> Option<Verdict> {
    let destination = request.text("destinationArn").filter(|arn| arn.contains(":lambda:"))?;
    let name = last_part(destination.split(":function:").nth(1)?.split(':').next()?);
    let allowed = account.of_kind(&request.home, "lambda.permission").any(|permission| {
        permission.text("FunctionName").map(last_part).as_ref() == Some(&name)
            && permission.text("Principal").is_some_and(|principal| principal.starts_with("logs."))
    });
    let message =
        "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function.";
    if allowed { None } else { refuse("subscription-without-permission", 400, "InvalidParameterException", message) }
}
