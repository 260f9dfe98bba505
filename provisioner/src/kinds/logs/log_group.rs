//! `logs.log_group`: the place to which a service or a function writes its log lines.
//!
//! Log groups are found by name: one `DescribeLogGroups` shows all of ours below the prefix `/<stack>-<env>/`, and one
//! more call is made for each name outside of it. Groups below `/aws/vendedlogs/<stack>-<env>/` are asked for together,
//! if one is wanted or the tag index has one. The tags of each prove that it is ours. Names have at most 512
//! characters (CloudWatch Logs API reference, CreateLogGroup). Retention is set by a call of its own, so a group that a
//! crash left without it shows a difference. All calls end within a second. A key has to let CloudWatch Logs of the
//! region use it. Otherwise CreateLogGroup says that the key "is not allowed".

use std::collections::{BTreeSet, HashMap};

use aws_sdk_cloudwatchlogs::types::LogGroup as Group;
use serde::{Deserialize, Serialize};

use super::VENDED;
use crate::aws::{Cx, Error, Look, Tags, collect, each};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::kms::Key;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct LogGroup;

#[derive(Serialize, Deserialize)]
pub struct LogGroupSpec {
    /// The whole name of the group, as in `/sendy-dev/lookup`.
    pub path: String,
    pub retention_days: u32,
    pub kms_key: Ref<Key>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogGroupState {
    pub path: String,
    /// For how many days lines are kept. 0 means for ever.
    pub retention_days: u32,
    pub kms_key: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LogGroupOutput {
    pub arn: String,
    pub name: String,
}

impl Kind for LogGroup {
    const FACTS: Facts = Facts {
        name: "logs.log_group",
        fields: &[Field::fixed("path"), Field::wanted("retention_days"), Field::wanted("kms_key")],
        exists: &["ResourceAlreadyExistsException"],
        retry: &[
            // CloudWatch Logs does not see the key's policy at once. It says the same about a policy that is really
            // wrong.
            Retry::saying("InvalidParameterException", "KMS key", 60),
            Retry::code("ResourceNotFoundException", 20),
        ],
        actions: &[
            "kms:DescribeKey",
            "logs:AssociateKmsKey",
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:DescribeLogGroups",
            "logs:ListTagsForResource",
            "logs:PutRetentionPolicy",
            "logs:TagResource",
            "logs:UntagResource",
        ],
        takes_along: "the log lines in it",
        ..Facts::DEFAULT
    };

    type Spec = LogGroupSpec;
    type State = LogGroupState;
    type Output = LogGroupOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &LogGroupSpec, outputs: &Outputs) -> Result<LogGroupState, Missing> {
        Ok(LogGroupState {
            path: spec.path.clone(),
            retention_days: spec.retention_days,
            kms_key: Some(outputs.get(&spec.kms_key)?.arn),
        })
    }
}

impl OnAws for LogGroup {
    async fn read(cx: &Cx, query: &Query<'_, LogGroup>) -> Result<Vec<Live<LogGroup>>, Error> {
        let wanted: HashMap<&str, &str> =
            query.wanted.iter().map(|(name, spec)| (spec.path.as_str(), name.as_str())).collect();
        let (ours, vended) = (format!("/{}/", cx.scope.prefix()), format!("{VENDED}{}/", cx.scope.prefix()));
        let hints = query.look.tagged(cx, "logs:log-group").await;
        let is_vended = |path: &&str| path.starts_with(&vended);
        let has_vended = wanted.keys().any(is_vended)
            || hints.iter().filter_map(|arn| arn.split(':').nth(6)).any(|path| is_vended(&path));
        let mut prefixes = BTreeSet::from([ours]);
        prefixes.extend(has_vended.then_some(vended));
        let outside: Vec<String> = wanted
            .keys()
            .filter(|path| !prefixes.iter().any(|ours| path.starts_with(ours)))
            .map(|p| (*p).into())
            .collect();
        prefixes.extend(outside);
        let mut groups: HashMap<String, Group> = HashMap::new();
        for found in each(prefixes.into_iter().collect(), |prefix| listed(cx, prefix)).await {
            groups.extend(found?.into_iter().filter_map(|group| Some((group.log_group_name.clone()?, group))));
        }
        collect(groups.into_iter().collect(), |(path, group)| one(cx, path, group, &wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &LogGroupState) -> Result<LogGroupOutput, Error> {
        let tags = cx.scope.tags(name).into_iter().collect();
        let call = cx.logs.create_log_group().log_group_name(&want.path).set_kms_key_id(want.kms_key.clone());
        call.set_tags(Some(tags)).send().await?;
        keep_for(cx, want).await?;
        Ok(output(&cx.scope, &want.path))
    }

    async fn update(cx: &Cx, _: &Live<LogGroup>, want: &LogGroupState, changed: &Changed) -> Result<(), Error> {
        if changed.has("retention_days") {
            keep_for(cx, want).await?;
        }
        if let (true, Some(key)) = (changed.has("kms_key"), &want.kms_key) {
            cx.logs.associate_kms_key().log_group_name(&want.path).kms_key_id(key).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<LogGroup>, _: LastWish) -> Result<(), Error> {
        let call = cx.logs.delete_log_group().log_group_name(&live.state.path);
        Error::or_gone(call.send().await, GONE)
    }
}

const GONE: &[&str] = &["ResourceNotFoundException"];

fn output(scope: &Scope, path: &str) -> LogGroupOutput {
    LogGroupOutput { arn: scope.arn("logs", &format!("log-group:{path}")), name: path.to_owned() }
}

async fn keep_for(cx: &Cx, want: &LogGroupState) -> Result<(), Error> {
    let days = i32::try_from(want.retention_days).unwrap_or(i32::MAX);
    cx.logs.put_retention_policy().log_group_name(&want.path).retention_in_days(days).send().await?;
    Ok(())
}

async fn listed(cx: &Cx, prefix: String) -> Result<Vec<Group>, Error> {
    let pages = cx.logs.describe_log_groups().log_group_name_prefix(prefix).into_paginator().items().send();
    Ok(pages.try_collect().await?)
}

/// The tags of a group. A group that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.logs.list_tags_for_resource().resource_arn(arn).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.tags).unwrap_or_default())
}

async fn one(
    cx: &Cx,
    path: String,
    group: Group,
    wanted: &HashMap<&str, &str>,
    look: &Look,
) -> Result<Option<Live<LogGroup>>, Error> {
    let (output, wanted) = (output(&cx.scope, &path), wanted.get(path.as_str()).copied());
    let Some(whose) = look.whose(cx, &output.arn, wanted, tags(cx, &output.arn)).await? else { return Ok(None) };
    Ok(Some(Live::ready(whose, output.arn.clone(), state(path, &group), output)))
}

fn state(path: String, group: &Group) -> LogGroupState {
    LogGroupState {
        path,
        retention_days: group.retention_in_days().and_then(|days| u32::try_from(days).ok()).unwrap_or(0),
        kms_key: group.kms_key_id().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A group as AWS answered it, recorded by cloud-custodian: placebo `test_log_group_last_write`,
    /// logs.DescribeLogGroups_1. Nobody gave it a retention or a key, so the answer has neither.
    #[test]
    fn a_group_without_retention_keeps_for_ever() {
        let answer = Group::builder()
            .log_group_name("/aws/lambda/C7N-c7nRun")
            .creation_time(1_476_975_252_441)
            .metric_filter_count(0)
            .arn("arn:aws:logs:us-west-2:644160558196:log-group:/aws/lambda/C7N-c7nRun:*")
            .stored_bytes(1167)
            .build();
        let state = state("/aws/lambda/C7N-c7nRun".into(), &answer);
        assert_eq!((state.retention_days, state.kms_key), (0, None));
    }
}
