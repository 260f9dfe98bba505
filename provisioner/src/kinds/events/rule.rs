//! `events.rule`: calls a function every few minutes.
//!
//! A rule and its only target are one kind: a rule without a target does nothing. Rules are found by name: one
//! `ListRules` by prefix shows them all, then come the targets and the tags of each. Names have at most 64 letters,
//! digits, `.`, `-` and `_` (EventBridge API reference, PutRule). All calls end within a second, and PutRule and
//! PutTargets can be repeated. PutRule takes tags only for a new rule. PutTargets answers 200 also if it has put
//! nothing: then `FailedEntryCount` is not 0. A rule is deleted after its targets.
//!
//! A rule calls at whole minutes at most, and asynchronously. What cannot be handed over to the function goes to a
//! queue, whose policy has to let the rule in. The function's own failures go where the function says. Other targets
//! would get the calls too, so those that others have added are taken away.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types::{DeadLetterConfig, Rule as Answer, RuleState as Power, Target as Found};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tag_list;
use crate::aws::{Cx, Error, Look, Tags, collect};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::lambda::Function;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::sqs::Queue;
use crate::scope::Scope;

pub struct Rule;

#[derive(Serialize, Deserialize)]
pub struct RuleSpec {
    pub every_minutes: u32,
    pub function: Ref<Function>,
    /// The queue for what cannot be handed over to the function.
    pub failed: Ref<Queue>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleState {
    pub name: String,
    /// The schedule: `rate(5 minutes)`.
    pub schedule: String,
    /// The pattern of events that start the target too, "" for none.
    pub pattern: String,
    pub enabled: bool,
    pub target: Target,
    /// The targets of others, by their id.
    pub targets: BTreeMap<String, Value>,
}

/// The target of a rule. It is empty as long as there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub function: String,
    pub failed: String,
    /// The input in place of the event, "" for the event itself.
    pub input: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for Rule {
    const FACTS: Facts = Facts {
        name: "events.rule",
        fields: &[
            Field::fixed("name"),
            Field::wanted("schedule"),
            Field::wanted("pattern"),
            Field::wanted("enabled"),
            Field::wanted("target"),
            Field::beside("targets", "target"),
        ],
        retry: &[Retry::code("ResourceNotFoundException", 30)],
        actions: &[
            "events:DeleteRule",
            "events:ListRules",
            "events:ListTagsForResource",
            "events:ListTargetsByRule",
            "events:PutRule",
            "events:PutTargets",
            "events:RemoveTargets",
            "events:TagResource",
            "events:UntagResource",
        ],
        ..Facts::DEFAULT
    };

    type Spec = RuleSpec;
    type State = RuleState;
    type Output = RuleOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &RuleSpec, outputs: &Outputs) -> Result<RuleState, Missing> {
        Ok(RuleState {
            name: aws_name(scope, name),
            schedule: match spec.every_minutes {
                1 => "rate(1 minute)".to_owned(),
                several => format!("rate({several} minutes)"),
            },
            pattern: String::new(),
            enabled: true,
            target: Target {
                function: outputs.get(&spec.function)?.arn,
                failed: outputs.get(&spec.failed)?.arn,
                input: String::new(),
            },
            targets: BTreeMap::new(),
        })
    }
}

impl OnAws for Rule {
    async fn read(cx: &Cx, query: &Query<'_, Rule>) -> Result<Vec<Live<Rule>>, Error> {
        let wanted = query.named(|name, _| aws_name(&cx.scope, name));
        let rules = listed(cx).await?;
        collect(rules, |rule| one(cx, rule, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &RuleState) -> Result<RuleOutput, Error> {
        let call = cx.events.put_rule().name(&want.name).schedule_expression(&want.schedule);
        call.state(Power::Enabled).set_tags(Some(tag_list(cx.scope.tags(name))?)).send().await?;
        put_target(cx, want).await?;
        Ok(output(&cx.scope, &want.name))
    }

    async fn update(cx: &Cx, live: &Live<Rule>, want: &RuleState, changed: &Changed) -> Result<(), Error> {
        if changed.any(&["schedule", "pattern", "enabled"]) {
            // A setting that the call leaves out is taken away.
            let call = cx.events.put_rule().name(&want.name).schedule_expression(&want.schedule);
            call.state(Power::Enabled).send().await?;
        }
        if changed.has("target") {
            put_target(cx, want).await?;
        }
        if changed.has("targets") {
            remove_targets(cx, &want.name, live.state.targets.keys().cloned().collect()).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Rule>, _: LastWish) -> Result<(), Error> {
        let Some(targets) = Error::unless_gone(targets(cx, &live.output.name).await, GONE)? else {
            return Ok(());
        };
        if !targets.is_empty() {
            remove_targets(cx, &live.output.name, targets.into_iter().map(|target| target.id).collect()).await?;
        }
        Error::or_gone(cx.events.delete_rule().name(&live.output.name).send().await, GONE)
    }
}

const GONE: &[&str] = &["ResourceNotFoundException"];
/// The id of our target.
const TARGET: &str = "function";

/// The ARN of a rule, by its name in the stack.
pub fn rule_arn(scope: &Scope, name: &str) -> String {
    output(scope, &aws_name(scope, name)).arn
}

fn aws_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 64)
}

fn output(scope: &Scope, name: &str) -> RuleOutput {
    RuleOutput { arn: scope.arn("events", &format!("rule/{name}")), name: name.to_owned() }
}

async fn put_target(cx: &Cx, want: &RuleState) -> Result<(), Error> {
    let failed = DeadLetterConfig::builder().arn(&want.target.failed).build();
    let target = Found::builder().id(TARGET).arn(&want.target.function).dead_letter_config(failed).build()?;
    let answer = cx.events.put_targets().rule(&want.name).targets(target).send().await?;
    let failed = answer.failed_entries().first().map(|entry| (entry.error_code(), entry.error_message()));
    all_done(answer.failed_entry_count(), failed)
}

async fn remove_targets(cx: &Cx, rule: &str, ids: Vec<String>) -> Result<(), Error> {
    let answer = cx.events.remove_targets().rule(rule).set_ids(Some(ids)).send().await?;
    let failed = answer.failed_entries().first().map(|entry| (entry.error_code(), entry.error_message()));
    all_done(answer.failed_entry_count(), failed)
}

/// The error of a call that answered 200 and did not do all: the code and the message of its first failure.
fn all_done(failures: i32, first: Option<(Option<&str>, Option<&str>)>) -> Result<(), Error> {
    if failures == 0 {
        return Ok(());
    }
    let (code, message) = first.unwrap_or_default();
    Err(Error {
        code: code.unwrap_or_default().to_owned(),
        message: message.unwrap_or("EventBridge does not say why it failed").to_owned(),
        request_id: None,
        ambiguous: false,
    })
}

/// Every rule of the default bus that has our prefix.
async fn listed(cx: &Cx) -> Result<Vec<Answer>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let call = cx.events.list_rules().name_prefix(format!("{}-", cx.scope.prefix()));
        let page = call.set_next_token(next).send().await?;
        all.extend(page.rules.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn one(cx: &Cx, rule: Answer, wanted: &HashMap<String, &str>, look: &Look) -> Result<Option<Live<Rule>>, Error> {
    let output = output(&cx.scope, rule.name().unwrap_or_default());
    let wanted = wanted.get(&output.name).copied();
    let (targets, whose) =
        tokio::join!(targets(cx, &output.name), look.whose(cx, &output.arn, wanted, tags(cx, &output.arn)));
    let (Some(targets), Some(whose)) = (Error::unless_gone(targets, GONE)?, whose?) else {
        return Ok(None);
    };
    let state = state(&rule, &targets);
    Ok(Some(Live::ready(whose, output.arn.clone(), state, output)))
}

async fn targets(cx: &Cx, rule: &str) -> Result<Vec<Found>, Error> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = cx.events.list_targets_by_rule().rule(rule).set_next_token(next).send().await?;
        all.extend(page.targets.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.events.list_tags_for_resource().resource_arn(arn).send().await, GONE)?;
    let tags = answer.and_then(|answer| answer.tags).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

fn state(rule: &Answer, targets: &[Found]) -> RuleState {
    let (ours, others): (Vec<&Found>, Vec<&Found>) = targets.iter().partition(|target| target.id == TARGET);
    let target = ours.first().map(|target| Target {
        function: target.arn.clone(),
        failed: target.dead_letter_config().and_then(DeadLetterConfig::arn).unwrap_or_default().to_owned(),
        input: match (target.input(), target.input_path(), target.input_transformer()) {
            (Some(input), ..) => input.to_owned(),
            (None, Some(path), _) => path.to_owned(),
            (None, None, Some(_)) => "a transformation".to_owned(),
            (None, None, None) => String::new(),
        },
    });
    RuleState {
        name: rule.name().unwrap_or_default().to_owned(),
        schedule: rule.schedule_expression().unwrap_or_default().to_owned(),
        pattern: rule.event_pattern().unwrap_or_default().to_owned(),
        enabled: rule.state() == Some(&Power::Enabled),
        target: target.unwrap_or_default(),
        targets: others.into_iter().map(|other| (other.id.clone(), other.arn.clone().into())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers in the form of ListRules and ListTargetsByRule of the EventBridge API reference.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let function = "arn:aws:lambda:us-east-1:123456789012:function:MyFunction";
        let queue = "arn:aws:sqs:us-east-1:123456789012:failed";
        let rule =
            Answer::builder().name("bell-dev-sweep").schedule_expression("rate(5 minutes)").state(Power::Enabled);
        let target = |id: &str| Found::builder().id(id).arn(function);
        let failed = DeadLetterConfig::builder().arn(queue).build();
        let ours = target(TARGET).dead_letter_config(failed).build().expect("complete");
        let state = state(&rule.build(), &[target("by-hand").build().expect("complete"), ours]);
        assert_eq!((state.target.function.as_str(), state.target.failed.as_str()), (function, queue));
        assert_eq!((state.enabled, state.targets.into_keys().collect::<Vec<_>>()), (true, vec!["by-hand".to_owned()]));
    }

    #[test]
    fn a_call_that_answers_200_may_have_failed() {
        assert!(all_done(0, None).is_ok());
        let error = all_done(1, Some((Some("ConcurrentModificationException"), Some("busy")))).expect_err("a failure");
        assert_eq!(error.to_string(), "ConcurrentModificationException: busy");
        assert!(error.worth_retrying(&Rule::FACTS).is_some());
    }
}
