//! `elbv2.rule`: sends some requests of a listener to a service.
//!
//! Rules are found by their tags, with one `DescribeRules` per listener and one `DescribeTags` for all. A rule without
//! our tag is somebody else's. At our priority it is in the way, and nothing is done. At another priority it takes
//! requests that are not its own, and is taken away. A listener has each priority only once (1 to 50,000), so a second
//! create is refused (`PriorityInUse`). A rule takes five condition values (Elastic Load Balancing user guide, quotas).
//! All calls end within a second.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_elasticloadbalancingv2::types::{
    HttpRequestMethodConditionConfig, PathPatternConditionConfig, Rule as Answer, RuleCondition, RulePriorityPair,
};
use serde::{Deserialize, Serialize};

use super::listener::{forward, target_of};
use super::{GONE, Listener, TargetGroup, tag_list, tags_of};
use crate::aws::{Cx, Error, each};
use crate::kind::facts::{Address, Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::{NAME_TAG, STACK_TAG, Scope};

pub struct Rule;

#[derive(Serialize, Deserialize)]
pub struct RuleSpec {
    pub listener: Ref<Listener>,
    /// The priority. Priorities go in steps of ten, and stay the same.
    pub priority: u32,
    pub paths: Vec<String>,
    pub methods: Vec<String>,
    pub target: Ref<TargetGroup>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleState {
    pub listener: String,
    pub priority: u32,
    pub paths: BTreeSet<String>,
    pub methods: BTreeSet<String>,
    /// The kinds of conditions that we never set.
    pub others: BTreeSet<String>,
    pub target: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RuleOutput {
    pub arn: String,
}

impl Kind for Rule {
    const FACTS: Facts = Facts {
        name: "elbv2.rule",
        fields: &[
            Field::fixed("listener"),
            Field::wanted("priority"),
            Field::wanted("paths"),
            Field::wanted("methods"),
            Field::wanted("others"),
            Field::wanted("target"),
        ],
        read_after: &["elbv2.listener"],
        exists: &["PriorityInUse", "PriorityInUseException"],
        retry: &[
            Retry::code("ListenerNotFound", 60),
            // Another rule of ours is about to leave this priority.
            Retry::code("PriorityInUse", 60),
            Retry::code("RuleNotFound", 60),
            Retry::code("TargetGroupNotFound", 60),
        ],
        actions: &[
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:CreateRule",
            "elasticloadbalancing:DeleteRule",
            "elasticloadbalancing:DescribeRules",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyRule",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:SetRulePriorities",
        ],
        ..Facts::DEFAULT
    };

    type Spec = RuleSpec;
    type State = RuleState;
    type Output = RuleOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &RuleSpec, outputs: &Outputs) -> Result<RuleState, Missing> {
        Ok(RuleState {
            listener: outputs.get(&spec.listener)?.arn,
            priority: spec.priority,
            paths: spec.paths.iter().cloned().collect(),
            methods: spec.methods.iter().cloned().collect(),
            others: BTreeSet::new(),
            target: outputs.get(&spec.target)?.arn,
        })
    }
}

impl OnAws for Rule {
    async fn read(cx: &Cx, query: &Query<'_, Rule>) -> Result<Vec<Live<Rule>>, Error> {
        let parents: HashMap<String, String> =
            query.outputs.all::<Listener>().into_iter().map(|(name, parent)| (parent.arn, name)).collect();
        let mut found: Vec<(String, Answer)> = Vec::new();
        for rules in each(parents.keys().cloned().collect(), |parent| listed(cx, parent)).await {
            found.extend(rules?);
        }
        let found: Vec<(String, RuleState, Option<String>)> = found
            .into_iter()
            .map(|(listener, rule)| {
                let state = state(listener, &rule);
                let by_priority = at_its_place(query, &state);
                (rule.rule_arn.unwrap_or_default(), state, by_priority)
            })
            .collect();
        let arns = found.iter().map(|(arn, _, by_priority)| (arn.as_str(), by_priority.as_deref()));
        let tags = tags_of(cx, query.look, arns).await?;
        let mut live: Vec<Live<Rule>> = Vec::new();
        for (arn, state, by_priority) in found {
            // A rule that has gone meanwhile has no tags.
            let Some(tags) = tags.get(&arn) else { continue };
            let ours = tags.get(STACK_TAG) == Some(&cx.scope.tag());
            let wanted = if ours { tags.get(NAME_TAG).cloned() } else { by_priority };
            let whose = match (cx.scope.whose(tags, wanted.as_deref()), parents.get(&state.listener)) {
                (Some(whose), _) => whose,
                (None, Some(parent)) => beside(parent, &state),
                (None, None) => continue,
            };
            let output = RuleOutput { arn: arn.clone() };
            live.push(Live::ready(whose, arn, state, output));
        }
        // If our rule is to move to a priority that a stranger has, both have its name here. Ours is the one to change.
        live.sort_by_key(|one| (one.name.clone(), !one.owner.is_ours()));
        live.dedup_by_key(|one| one.name.clone());
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &RuleState) -> Result<RuleOutput, Error> {
        let priority = i32::try_from(want.priority).unwrap_or(i32::MAX);
        let call = cx.elbv2.create_rule().listener_arn(&want.listener).priority(priority);
        let call = call.set_conditions(Some(conditions(want))).actions(forward(&want.target));
        let made = call.set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?.rules.unwrap_or_default().pop();
        Ok(RuleOutput { arn: made.and_then(|made| made.rule_arn).unwrap_or_default() })
    }

    async fn update(cx: &Cx, live: &Live<Rule>, want: &RuleState, changed: &Changed) -> Result<(), Error> {
        if changed.has("priority") {
            let priority = i32::try_from(want.priority).unwrap_or(i32::MAX);
            let pair = RulePriorityPair::builder().rule_arn(&live.output.arn).priority(priority).build();
            cx.elbv2.set_rule_priorities().rule_priorities(pair).send().await?;
        }
        if changed.any(&["paths", "methods", "others", "target"]) {
            let call = cx.elbv2.modify_rule().rule_arn(&live.output.arn).actions(forward(&want.target));
            call.set_conditions(Some(conditions(want))).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Rule>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.elbv2.delete_rule().rule_arn(&live.output.arn).send().await, GONE)
    }
}

const PATH: &str = "path-pattern";
const METHOD: &str = "http-request-method";

/// The name of a rule that somebody else made, as in `web/7`, and the listener of ours that it is on.
fn beside(parent: &str, state: &RuleState) -> (String, Owner) {
    let on = Address { kind: Listener::FACTS.name, name: parent.to_owned() };
    (format!("{parent}/{}", state.priority), Owner::Beside(on))
}

/// The name of the wanted rule with this listener and priority.
fn at_its_place(query: &Query<'_, Rule>, state: &RuleState) -> Option<String> {
    let here = |spec: &RuleSpec| {
        spec.priority == state.priority
            && query.outputs.get(&spec.listener).is_ok_and(|listener| listener.arn == state.listener)
    };
    query.wanted.iter().find(|(_, spec)| here(spec)).map(|(name, _)| name.clone())
}

fn conditions(want: &RuleState) -> Vec<RuleCondition> {
    let mut conditions = Vec::new();
    if !want.paths.is_empty() {
        let paths = PathPatternConditionConfig::builder().set_values(Some(want.paths.iter().cloned().collect()));
        conditions.push(RuleCondition::builder().field(PATH).path_pattern_config(paths.build()).build());
    }
    if !want.methods.is_empty() {
        let methods =
            HttpRequestMethodConditionConfig::builder().set_values(Some(want.methods.iter().cloned().collect()));
        conditions.push(RuleCondition::builder().field(METHOD).http_request_method_config(methods.build()).build());
    }
    conditions
}

/// The rules of a listener, without the default rule, which belongs to the listener itself.
async fn listed(cx: &Cx, parent: String) -> Result<Vec<(String, Answer)>, Error> {
    let pages = cx.elbv2.describe_rules().listener_arn(&parent).into_paginator().items().send();
    let found: Vec<Answer> = Error::unless_gone(pages.try_collect().await, GONE)?.unwrap_or_default();
    let ours = found.into_iter().filter(|rule| rule.is_default() != Some(true) && rule.priority() != Some("default"));
    Ok(ours.map(|rule| (parent.clone(), rule)).collect())
}

fn state(listener: String, rule: &Answer) -> RuleState {
    let mut state = RuleState {
        listener,
        priority: rule.priority().and_then(|priority| priority.parse().ok()).unwrap_or_default(),
        target: match rule.actions() {
            [one] => target_of(one).unwrap_or_default().to_owned(),
            _ => String::new(),
        },
        ..RuleState::default()
    };
    for condition in rule.conditions() {
        // Older rules have their values in `Values`.
        let old = condition.values().iter().cloned();
        match condition.field() {
            Some(PATH) => {
                let new = condition.path_pattern_config().map(PathPatternConditionConfig::values);
                state.paths.extend(old.chain(new.into_iter().flatten().cloned()));
            }
            Some(METHOD) => {
                let new = condition.http_request_method_config().map(HttpRequestMethodConditionConfig::values);
                state.methods.extend(old.chain(new.into_iter().flatten().cloned()));
            }
            other => {
                state.others.insert(other.unwrap_or_default().to_owned());
            }
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of DescribeRules in botocore's elbv2 examples. It has the values in `Values`.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let answer = Answer::builder()
            .actions(forward("arn"))
            .conditions(RuleCondition::builder().field(PATH).values("/img/*").build())
            .is_default(false)
            .priority("10")
            .build();
        let state = state("listener".into(), &answer);
        assert_eq!((state.priority, state.target.as_str(), state.paths.len(), state.methods.len()), (10, "arn", 1, 0));
    }

    #[test]
    fn what_we_send_reads_back_as_what_we_want() {
        let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
        let want = RuleState { paths: set(&["/b", "/a"]), methods: set(&["GET", "HEAD"]), ..RuleState::default() };
        let answer = Answer::builder().set_conditions(Some(conditions(&want))).build();
        let state = state(String::new(), &answer);
        assert_eq!((state.paths, state.methods), (want.paths, want.methods));
    }
}
