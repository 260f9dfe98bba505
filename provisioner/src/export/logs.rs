//! Log groups and their subscriptions.

use serde_json::{Value, json};

use super::it::It;
use super::template::Data;
use super::tokens;
use crate::kinds::logs::{LogGroupState, SubscriptionFilterSpec, SubscriptionFilterState};
use crate::scope::Scope;

/// The ARN of a log group. `Fn::GetAtt` gives it with `:*` at the end, which does not belong to it.
pub(super) fn arn(scope: &Scope, id: &str, _: &Value) -> String {
    scope.arn("logs", &format!("log-group:{}", tokens::of(id, "")))
}

pub(super) fn log_group(it: &mut It<'_>, want: LogGroupState) {
    let LogGroupState { path, retention_days, kms_key } = want;
    let properties =
        json!({"LogGroupName": path, "RetentionInDays": retention_days, "KmsKeyId": kms_key, "Tags": it.tags()});
    it.put("AWS::Logs::LogGroup", properties).data = Data::Delete;
}

/// Adds a subscription. CloudWatch Logs tries the function when the filter is put, so it has to be allowed to call it.
pub(super) fn subscription_filter(it: &mut It<'_>, spec: SubscriptionFilterSpec, want: SubscriptionFilterState) {
    let SubscriptionFilterState { log_group, filter, pattern, destination } = want;
    let allowed = it.all_of(&spec.permission);
    let properties = json!({
        "LogGroupName": log_group, "FilterName": filter, "FilterPattern": pattern, "DestinationArn": destination,
    });
    it.put("AWS::Logs::SubscriptionFilter", properties).after(allowed);
}
