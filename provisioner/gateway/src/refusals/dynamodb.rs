//! Tables: one change at a time, streams that are on already, and expiries that changed within the hour (DynamoDB API
//! reference, UpdateTable and UpdateTimeToLive).

use super::{Verdict, refuse};
use crate::account::Account;
use crate::lifecycle::Pace;
use crate::request::Request;
use serde_json::Value;

/// The members of UpdateTable that are changes of their own.
const SORTS: &[&str] = &[
    "BillingMode",
    "DeletionProtectionEnabled",
    "GlobalSecondaryIndexUpdates",
    "ReplicaUpdates",
    "SSESpecification",
    "StreamSpecification",
    "TableClass",
];

pub(super) fn judge(account: &Account, pace: &Pace, request: &Request) -> Option<Verdict> {
    let table = request.text("TableName")?;
    match request.action.as_str() {
        "UpdateTable" => update(account, request, table),
        "UpdateTimeToLive" => {
            let last = account.get(&request.home, "dynamodb.expiry", table)?;
            let message = "Time to live has been modified multiple times within a fixed interval";
            if last.since.elapsed() < pace.real(3600) {
                return refuse("expiry-twice-an-hour", 400, "ValidationException", message);
            }
            None
        }
        _ => None,
    }
}

fn update(account: &Account, request: &Request, table: &str) -> Option<Verdict> {
    if SORTS.iter().filter(|sort| request.params.get(**sort).is_some()).count() > 1 {
        let message = "One or more parameter values were invalid: UpdateTable takes one sort of change at a time";
        return refuse("two-changes-of-a-table", 400, "ValidationException", message);
    }
    let indexes = request.params.get("GlobalSecondaryIndexUpdates").and_then(Value::as_array).map_or(0, Vec::len);
    if indexes > 1 {
        let message = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table";
        return refuse("two-indexes-at-once", 400, "LimitExceededException", message);
    }
    let on = |stream: Option<&Value>| stream.is_some_and(|stream| stream["StreamEnabled"] == true);
    let known = account.get(&request.home, "dynamodb.table", table)?;
    if on(request.params.get("StreamSpecification")) && on(known.params.get("StreamSpecification")) {
        return refuse("stream-twice", 400, "ValidationException", "Table already has an enabled stream");
    }
    None
}
