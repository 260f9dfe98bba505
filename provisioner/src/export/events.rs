//! Rules that call a function by the clock.

use serde_json::json;

use super::it::It;
use crate::kinds::events::{RuleSpec, RuleState, Target};

/// Adds a rule with its target. The queue's policy has to let the rule in before something fails.
pub(super) fn rule(it: &mut It<'_>, spec: RuleSpec, want: RuleState) {
    let RuleState { name, schedule, pattern: _, enabled, target, targets: _ } = want;
    let Target { function, failed, input: _ } = target;
    let let_in = it.all_of(&spec.failed);
    let state = if enabled { "ENABLED" } else { "DISABLED" };
    let target = json!({"Id": "function", "Arn": function, "DeadLetterConfig": {"Arn": failed}});
    let properties = json!({"Name": name, "ScheduleExpression": schedule, "State": state, "Targets": [target]});
    it.put("AWS::Events::Rule", properties).after(let_in);
}
