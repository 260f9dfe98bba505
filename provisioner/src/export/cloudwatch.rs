//! Alarms and the dashboard.

use serde_json::{Value, json};

use super::it::It;
use super::tokens;
use crate::kinds::cloudwatch::{AlarmSpec, AlarmState, DashboardState, Measured};

pub(super) fn alarm(it: &mut It<'_>, spec: AlarmSpec, want: AlarmState) {
    let AlarmState {
        name,
        description,
        namespace,
        metric,
        dimensions,
        statistic,
        period,
        periods,
        threshold,
        comparison,
        missing_data,
        actions,
        actions_enabled,
        other_actions: _,
    } = want;
    let value = |value: String| match &spec.of {
        // `up` takes the name out of the ARN.
        Measured::Queue(queue) => tokens::of(it.id_of(queue), "QueueName"),
        _ => value,
    };
    let dimensions: Vec<Value> =
        dimensions.into_iter().map(|(name, of)| json!({"Name": name, "Value": value(of)})).collect();
    let properties = json!({
        "AlarmName": name, "AlarmDescription": description, "Namespace": namespace, "MetricName": metric,
        "Dimensions": dimensions, "Statistic": statistic, "Period": period, "EvaluationPeriods": periods,
        "Threshold": threshold, "ComparisonOperator": comparison, "TreatMissingData": missing_data,
        "AlarmActions": actions, "ActionsEnabled": actions_enabled, "Tags": it.tags(),
    });
    it.put("AWS::CloudWatch::Alarm", properties);
}

pub(super) fn dashboard(it: &mut It<'_>, want: DashboardState) {
    let DashboardState { name, body } = want;
    it.put("AWS::CloudWatch::Dashboard", json!({"DashboardName": name, "DashboardBody": body.to_string()}));
}
