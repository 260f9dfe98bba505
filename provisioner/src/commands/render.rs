//! A plan as text and as JSON.

use serde_json::{Value, json};

use super::document::VERSION;
use crate::diff::Change;
use crate::kind::Effect;
use crate::plan::{Action, Plan, Step};
use crate::printer::Printer;
use crate::scope::Scope;

/// One line per resource that changes, its fields below it, totals last.
pub(crate) fn text(plan: &Plan, printer: Printer) -> String {
    let mut lines = Vec::new();
    for step in plan.changes() {
        lines.push(line(step, printer));
        match &step.action {
            Action::Update { changes } | Action::Replace { changes } => {
                lines.extend(changes.iter().map(|change| field(change, printer)))
            }
            _ => {}
        }
        if step.loses_data {
            lines.push(format!("      {}", printer.red("this loses data")));
        }
    }
    for step in plan.steps.iter().filter(|step| step.busy.is_some() && !step.action.is_change()) {
        lines.push(format!("  . {} is {}", step.address, step.busy.as_deref().unwrap_or_default()));
    }
    let retained: Vec<&Step> = plan.steps.iter().filter(|step| step.action == Action::Retain).collect();
    lines.extend(retained.iter().map(|step| printer.dim(format!("  = {} is kept", step.address))));
    lines.push(totals(plan));
    lines.join("\n")
}

/// `Plan: 3 to create, 1 to change.`
pub(crate) fn totals(plan: &Plan) -> String {
    let count = |wanted: fn(&Action) -> bool| plan.steps.iter().filter(|step| wanted(&step.action)).count();
    let parts = [
        (count(|action| matches!(action, Action::Create { .. })), "to create"),
        (count(|action| matches!(action, Action::Update { .. })), "to change"),
        (count(|action| matches!(action, Action::Replace { .. })), "to replace"),
        (count(|action| matches!(action, Action::Delete)), "to delete"),
        (count(|action| matches!(action, Action::Retain)), "kept"),
        (count(|action| matches!(action, Action::Refuse)), "refused"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    match said.is_empty() {
        true => format!("No changes: {} resources are as the stack file says.", plan.steps.len()),
        false => format!("Plan: {}.", said.join(", ")),
    }
}

pub(crate) fn json(scope: &Scope, plan: &Plan) -> String {
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            let mut value = serde_json::to_value(&step.action).unwrap_or_default();
            value["kind"] = step.address.kind.into();
            value["name"] = step.address.name.clone().into();
            value["section"] = step.section.clone().into();
            value["id"] = json!(step.id);
            value["loses_data"] = step.loses_data.into();
            value["busy"] = json!(step.busy);
            value
        })
        .collect();
    let document = json!({
        "version": VERSION,
        "stack": scope.stack, "env": scope.env, "account": scope.account, "region": scope.region,
        "changes": plan.changes().count(),
        "steps": steps,
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn line(step: &Step, printer: Printer) -> String {
    let why = if step.section.is_empty() { "nothing asks for it".to_owned() } else { step.section.clone() };
    let why = printer.dim(format!("({why})"));
    match &step.action {
        Action::Create { .. } => format!("  {} {} {why}", printer.green("+ create "), step.address),
        Action::Update { changes } => {
            let worst = changes.iter().map(|change| change.effect).max();
            format!("  {} {} {why}{}", printer.yellow("~ change "), step.address, effect(worst))
        }
        Action::Replace { .. } => format!("  {} {} {why}", printer.red("± replace"), step.address),
        Action::Delete => format!("  {} {} {why}", printer.red("- delete "), step.address),
        Action::Refuse => {
            let id = step.id.as_deref().unwrap_or_default();
            format!(
                "  {} {} {why}: {id} exists, but this stack did not make it",
                printer.red("! refuse "),
                step.address
            )
        }
        Action::Keep | Action::Retain => String::new(),
    }
}

fn effect(worst: Option<Effect>) -> &'static str {
    match worst {
        Some(Effect::Restart) => ": restart",
        Some(Effect::Failover) => ": failover",
        Some(Effect::Downtime) => ": downtime",
        _ => "",
    }
}

fn field(change: &Change, printer: Printer) -> String {
    let replaces =
        if change.effect == Effect::Replace { printer.red(" (cannot be changed in place)") } else { String::new() };
    format!("      {}: {} -> {}{replaces}", change.path, short(&change.from), short(&change.to))
}

/// Long values are cut in the middle of the text form; the JSON form has them whole.
fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return "(unset)".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(100) {
        None => text,
        Some((cut, _)) => format!("{}… ({} characters)", &text[..cut], text.chars().count()),
    }
}
