//! Whether the caller's policies allow the calls of the plan. IAM simulates the policies. It knows neither conditions
//! on the call itself (an address, a second factor) nor the policy of a session.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};

use super::{Finding, Scene};
use crate::aws::{Error, principal};
use crate::plan::Action;
use crate::policy::{self, Need};

const NAME: &str = "permissions";
const UNCHECKED: &str = "what these credentials may do";
/// The most actions in one call.
const BATCH: usize = 50;

pub(super) async fn check(scene: &Scene<'_>) -> Result<Vec<Finding>, Error> {
    let needs = needs(scene);
    let count = needs.iter().flat_map(|need| &need.actions).collect::<BTreeSet<_>>().len();
    if count == 0 {
        return Ok(Vec::new());
    }
    let source = match principal::behind(scene.cx, scene.principal).await {
        Ok(Some(source)) => source,
        Ok(None) => {
            return Ok(vec![Finding::unknown(
                NAME,
                UNCHECKED,
                format!("IAM simulates users and roles only, and this is {}", scene.principal),
            )]);
        }
        Err(error) => return Ok(vec![Finding::unknown(NAME, UNCHECKED, error)]),
    };
    let mut decisions: BTreeMap<&str, Decision> = BTreeMap::new();
    for need in &needs {
        for batch in need.actions.chunks(BATCH) {
            match simulate(scene, &source, need, batch).await {
                Ok(results) => decide(&mut decisions, batch, &results),
                Err(error) => return Ok(vec![Finding::unknown(NAME, UNCHECKED, error)]),
            }
        }
    }
    let with = |wanted: Decision| decisions.iter().filter(move |(_, is)| **is == wanted).map(|(action, _)| *action);
    let mut findings = Vec::new();
    if with(Decision::Denied).next().is_some() {
        let (shown, more) = shown(with(Decision::Denied));
        findings.push(Finding::stop(
            NAME,
            format!("{source} may not {shown}{more}, which this plan calls"),
            "`provision policy` prints the policies that it takes; where the simulation is wrong, `up --no-preflight` goes on",
        ));
    }
    if with(Decision::Depends).next().is_some() {
        let (shown, more) = shown(with(Decision::Depends));
        findings.push(Finding::unknown(
            NAME,
            &format!("{shown}{more}"),
            "that depends on conditions which only the call itself meets",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, format!("the {count} actions that this plan calls are allowed to {source}")));
    }
    Ok(findings)
}

fn needs(scene: &Scene<'_>) -> Vec<Need> {
    // Whether the plan only makes resources of a kind.
    let mut only_made: BTreeMap<&str, bool> = BTreeMap::new();
    for step in scene.plan.changes() {
        let made = matches!(step.action, Action::Create { .. });
        *only_made.entry(step.address.kind).or_insert(true) &= made;
    }
    match only_made.is_empty() {
        true => Vec::new(),
        false => policy::needs(&scene.cx.scope, scene.desired, &only_made),
    }
}

async fn simulate(
    scene: &Scene<'_>,
    source: &str,
    need: &Need,
    actions: &[&str],
) -> Result<Vec<EvaluationResult>, Error> {
    let context = need.context.iter().map(|(key, value)| {
        let kind = if value == "true" { ContextKeyTypeEnum::Boolean } else { ContextKeyTypeEnum::String };
        ContextEntry::builder().context_key_name(key).context_key_values(value).context_key_type(kind).build()
    });
    let call = scene.cx.iam.simulate_principal_policy().policy_source_arn(source);
    let call = call.set_action_names(Some(actions.iter().map(|action| (*action).to_owned()).collect()));
    let call = call.set_resource_arns(Some(need.resources.clone())).set_context_entries(Some(context.collect()));
    let pages = call.into_paginator().items().send().try_collect().await?;
    Ok(pages)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Decision {
    Allowed,
    /// It depends on a fact that the simulation was not told.
    Depends,
    Denied,
}

/// Notes the decisions. An action is allowed if it is allowed on one of the examples: IAM asks about each type of
/// resource apart.
fn decide<'a>(decisions: &mut BTreeMap<&'a str, Decision>, actions: &[&'a str], results: &[EvaluationResult]) {
    for action in actions {
        let mine = results.iter().filter(|result| result.eval_action_name() == *action);
        let mut decision = None;
        for result in mine {
            let each = result.resource_specific_results().iter().map(|one| one.eval_resource_decision());
            let allowed =
                each.chain([result.eval_decision()]).any(|said| *said == PolicyEvaluationDecisionType::Allowed);
            let explicit = *result.eval_decision() == PolicyEvaluationDecisionType::ExplicitDeny;
            let now = match (allowed, explicit, result.missing_context_values().is_empty()) {
                (true, ..) => Decision::Allowed,
                (false, false, false) => Decision::Depends,
                _ => Decision::Denied,
            };
            decision = Some(match (decision, now) {
                (Some(Decision::Allowed), _) | (_, Decision::Allowed) => Decision::Allowed,
                (Some(Decision::Depends), _) => Decision::Depends,
                (_, now) => now,
            });
        }
        // An action may be asked about in several ways, one for each type of resource. All of them have to be allowed.
        let decision = decision.unwrap_or(Decision::Depends);
        decisions.entry(action).and_modify(|before| *before = decision.max(*before)).or_insert(decision);
    }
}

fn shown<'a>(actions: impl Iterator<Item = &'a str>) -> (String, String) {
    const MOST: usize = 8;
    let actions: Vec<&str> = actions.collect();
    let more = actions.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (actions[..actions.len().min(MOST)].join(", "), more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PolicyEvaluationDecisionType::{Allowed, ExplicitDeny, ImplicitDeny};

    fn result(action: &str, said: PolicyEvaluationDecisionType, missing: &[&str]) -> EvaluationResult {
        let missing = missing.iter().map(|key| (*key).to_owned()).collect();
        let result = EvaluationResult::builder().eval_action_name(action).eval_decision(said);
        result.set_missing_context_values(Some(missing)).build().expect("complete")
    }

    #[test]
    fn one_example_that_is_allowed_is_enough() {
        let results = [
            result("a:One", ImplicitDeny, &[]),
            result("a:One", Allowed, &[]),
            result("a:Two", ImplicitDeny, &["aws:SourceIp"]),
            result("a:Three", ExplicitDeny, &["aws:SourceIp"]),
        ];
        let mut decisions = BTreeMap::new();
        decide(&mut decisions, &["a:One", "a:Two", "a:Three", "a:Four"], &results);
        let told: Vec<_> = decisions.into_iter().collect();
        let (allowed, depends, denied) = (Decision::Allowed, Decision::Depends, Decision::Denied);
        assert_eq!(told, [("a:Four", depends), ("a:One", allowed), ("a:Three", denied), ("a:Two", depends)]);
    }
}
