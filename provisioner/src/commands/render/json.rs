//! A plan for programs. The types are the documentation: `provision schema --plan` prints their JSON Schema.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::Value;

use crate::commands::document::PLAN_VERSION;
use crate::commands::failure;
use crate::kind::facts::Effect;
use crate::plan::Action;
use crate::review::sources::Why;
use crate::review::{Against, Disruption, Item, Review};

/// The document that `provision plan --json` prints.
#[derive(JsonSchema)]
#[schemars(title = "provision plan", untagged)]
#[expect(dead_code, reason = "the schema is made of it, and each is printed for itself")]
enum Printed {
    Plan(Document),
    Failure(failure::Document),
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Plan", deny_unknown_fields)]
struct Document {
    /// The version of this form. It grows with every change that could break a reader. New members do not count as
    /// such.
    version: u32,
    stack: String,
    env: String,
    account: String,
    region: String,
    /// The fingerprint of the changes. `up --plan` checks it. It is absent when the plan cannot be saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// What the stack file was compared with.
    compared: Against,
    /// How many steps change something.
    changes: usize,
    /// How long the changes take, about, in seconds: the least and the most.
    seconds: [u32; 2],
    /// Every resource of the stack, in the order of the stack file. Resources that nothing asks for come last.
    steps: Vec<Step>,
    /// Resources that would change too, but were not chosen by `--only` or `--except`.
    left_out: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Step {
    #[serde(rename = "do")]
    action: Do,
    /// The kind of the resource, as in `sqs.queue`.
    kind: String,
    name: String,
    /// The section of the stack file, as in `queues.work`.
    section: String,
    /// The ARN, id or URL of the live resource.
    id: Option<String>,
    /// Whether the step loses data. Then `up` takes it only with `--delete-data`.
    loses_data: bool,
    /// What is lost for good, in words.
    loss: Option<String>,
    /// What AWS is doing with the resource right now, in AWS's word.
    busy: Option<String>,
    /// Why the resource changes; `null` if it does not.
    why: Option<Why>,
    disruption: Disruption,
    /// For how long those who use the resource notice the change, in seconds: the least and the most.
    outage_seconds: [u32; 2],
    /// How long the step takes, about, in seconds: the least and the most.
    seconds: [u32; 2],
    notes: Vec<String>,
    changes: Vec<Change>,
    /// The whole state of a resource that is created. A value that is not known yet reads `(known after …)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    want: Option<Value>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Do {
    Keep,
    Create,
    Update,
    /// The resource is deleted, then created.
    Replace,
    Delete,
    /// The resource is kept although nothing asks for it.
    Retain,
    /// The name of the resource is taken by something that this stack did not make.
    Refuse,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Change {
    /// The path of the field, as in `redrive.maxReceiveCount`.
    path: String,
    from: Value,
    to: Value,
    effect: Effect,
    /// Whether the new value is not known until something else is made.
    unknown: bool,
    why: Why,
}

/// The document. The plan has the resources that do not change, which the review has not.
pub(crate) fn json(review: &Review<'_>, plan: &crate::plan::Plan, hash: Option<&str>) -> Value {
    let items: std::collections::BTreeMap<_, &Item<'_>> =
        review.items().map(|item| (&item.step.address, item)).collect();
    let scope = review.scope;
    let document = Document {
        version: PLAN_VERSION,
        stack: scope.stack.clone(),
        env: scope.env.clone(),
        account: scope.account.clone(),
        region: scope.region.clone(),
        hash: hash.map(str::to_owned),
        compared: review.against,
        changes: items.len(),
        seconds: review.takes.into(),
        steps: plan.steps.iter().map(|one| step(one, items.get(&one.address).copied())).collect(),
        left_out: review.left_out.iter().map(ToString::to_string).collect(),
    };
    serde_json::to_value(document).unwrap_or_default()
}

/// The JSON Schema of what `plan --json` prints.
pub(crate) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Printed>().to_value()
}

fn step(step: &crate::plan::Step, item: Option<&Item<'_>>) -> Step {
    Step {
        action: match step.action {
            Action::Keep => Do::Keep,
            Action::Create { .. } => Do::Create,
            Action::Update { .. } => Do::Update,
            Action::Replace { .. } => Do::Replace,
            Action::Delete => Do::Delete,
            Action::Retain => Do::Retain,
            Action::Refuse => Do::Refuse,
        },
        kind: step.address.kind.to_owned(),
        name: step.address.name.clone(),
        section: step.section.clone(),
        id: step.id.clone(),
        loses_data: step.loses_data,
        loss: step.loss.clone(),
        busy: step.busy.clone(),
        why: item.map(|item| item.why.clone()),
        disruption: item.map_or(Disruption::None, |item| item.disruption),
        outage_seconds: item.map_or([0, 0], |item| item.outage.into()),
        seconds: item.map_or([0, 0], |item| item.takes.into()),
        notes: item.iter().flat_map(|item| &item.notes).map(|note| (*note).to_owned()).collect(),
        changes: item.iter().flat_map(|item| &item.fields).map(change).collect(),
        want: match &step.action {
            Action::Create { want } => Some(want.tree()),
            _ => None,
        },
    }
}

fn change(field: &crate::review::Field<'_>) -> Change {
    Change {
        path: field.change.path.clone(),
        from: field.change.from.clone(),
        to: field.change.to.clone(),
        effect: field.change.effect,
        unknown: field.unknown,
        why: field.why.clone(),
    }
}
