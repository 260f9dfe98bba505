//! `rds.parameter_group`: the settings of the database engine that differ from AWS's defaults.
//!
//! A group is found by name: one list of all groups, then tags and parameters of the groups with our prefix. Names have
//! at most 255 characters, in lower case, no `--` (RDS API reference, CreateDBParameterGroup). Calls take a second.
//! `ModifyDBParameterGroup` takes 20 parameters at once. A group cannot go before the last instance with it is gone
//! (`InvalidDBParameterGroupState`). So a group of another family has another name, and the instance moves from the one
//! to the other.
//!
//! Only parameters that somebody has set are compared (`Source=user`). A parameter that was set by hand is reset.
//! Parameters that MySQL can change while it runs are applied at once. The others wait for the next restart of the
//! instance: `provision` restarts nobody's database for them, and `rds.instance` shows that it waits.

use std::collections::BTreeMap;

use aws_sdk_rds::types::{ApplyMethod, DbParameterGroup, Parameter};
use serde::{Deserialize, Serialize};

use super::tag_list;
use crate::aws::{Cx, Error, Look, collect};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs};
use crate::kinds::named::candidates;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct ParameterGroup;

#[derive(Serialize, Deserialize)]
pub struct ParameterGroupSpec {
    /// The family, such as `mysql8.4`. Another family means another group.
    pub family: String,
    pub parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParameterGroupState {
    pub name: String,
    pub family: String,
    pub parameters: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParameterGroupOutput {
    pub name: String,
}

const AT_ONCE: usize = 20;

/// The parameters that MySQL 8 changes while it runs (MySQL reference manual, "Dynamic: Yes"). We say of any other
/// parameter that it waits for a restart, which AWS accepts for all.
const DYNAMIC: &[&str] = &[
    "binlog_format",
    "binlog_row_image",
    "character_set_client",
    "character_set_connection",
    "character_set_database",
    "character_set_results",
    "character_set_server",
    "collation_connection",
    "collation_server",
    "event_scheduler",
    "general_log",
    "group_concat_max_len",
    "innodb_lock_wait_timeout",
    "innodb_print_all_deadlocks",
    "interactive_timeout",
    "log_bin_trust_function_creators",
    "log_output",
    "log_queries_not_using_indexes",
    "long_query_time",
    "max_allowed_packet",
    "max_connections",
    "max_execution_time",
    "require_secure_transport",
    "slow_query_log",
    "sql_mode",
    "time_zone",
    "transaction_isolation",
    "wait_timeout",
];

impl Kind for ParameterGroup {
    const FACTS: Facts = Facts {
        name: "rds.parameter_group",
        fields: &[Field::fixed("name"), Field::fixed("family"), Field::wanted("parameters")],
        seconds: Seconds { create: 2, update: 2, delete: 1 },
        exists: &["DBParameterGroupAlreadyExists", "DBParameterGroupAlreadyExistsFault"],
        retry: &[
            Retry::code("InvalidDBParameterGroupState", 1800),
            Retry::code("InvalidDBParameterGroupStateFault", 1800),
            Retry::code("DBParameterGroupNotFound", 30),
        ],
        actions: &[
            "rds:AddTagsToResource",
            "rds:CreateDBParameterGroup",
            "rds:DeleteDBParameterGroup",
            "rds:DescribeDBParameterGroups",
            "rds:DescribeDBParameters",
            "rds:ListTagsForResource",
            "rds:ModifyDBParameterGroup",
            "rds:RemoveTagsFromResource",
            "rds:ResetDBParameterGroup",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ParameterGroupSpec;
    type State = ParameterGroupState;
    type Output = ParameterGroupOutput;
    type Ready = ();

    fn want(scope: &Scope, name: &str, spec: &ParameterGroupSpec, _: &Outputs) -> Result<ParameterGroupState, Missing> {
        Ok(ParameterGroupState {
            name: group_name(scope, name),
            family: spec.family.clone(),
            parameters: spec.parameters.clone(),
        })
    }
}

impl OnAws for ParameterGroup {
    async fn read(cx: &Cx, query: &Query<'_, ParameterGroup>) -> Result<Vec<Live<ParameterGroup>>, Error> {
        let groups = cx.rds.describe_db_parameter_groups().into_paginator().items().send().try_collect().await?;
        let named = candidates(cx, query, groups, DbParameterGroup::db_parameter_group_name, group_name);
        collect(named, |(group, wanted)| one(cx, group, wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &ParameterGroupState) -> Result<ParameterGroupOutput, Error> {
        let call = cx.rds.create_db_parameter_group().db_parameter_group_name(&want.name);
        let call = call.db_parameter_group_family(&want.family).description(format!("Settings of {name}"));
        call.set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?;
        set(cx, &want.name, parameters(&want.parameters, |_| true)).await?;
        Ok(ParameterGroupOutput { name: want.name.clone() })
    }

    async fn update(
        cx: &Cx,
        live: &Live<ParameterGroup>,
        want: &ParameterGroupState,
        _: &Changed,
    ) -> Result<(), Error> {
        let (old, new) = (&live.state.parameters, &want.parameters);
        set(cx, &live.output.name, parameters(new, |name| old.get(name) != new.get(name))).await?;
        for some in parameters(old, |name| !new.contains_key(name)).chunks(AT_ONCE) {
            let call = cx.rds.reset_db_parameter_group().db_parameter_group_name(&live.output.name);
            call.reset_all_parameters(false).set_parameters(Some(some.to_vec())).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<ParameterGroup>, _: LastWish) -> Result<(), Error> {
        let call = cx.rds.delete_db_parameter_group().db_parameter_group_name(&live.output.name);
        Error::or_gone(call.send().await, &["DBParameterGroupNotFound", "DBParameterGroupNotFoundFault"])
    }
}

fn group_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 255).to_lowercase()
}

async fn set(cx: &Cx, group: &str, parameters: Vec<Parameter>) -> Result<(), Error> {
    for some in parameters.chunks(AT_ONCE) {
        let call = cx.rds.modify_db_parameter_group().db_parameter_group_name(group);
        call.set_parameters(Some(some.to_vec())).send().await?;
    }
    Ok(())
}

fn parameters(all: &BTreeMap<String, String>, which: impl Fn(&String) -> bool) -> Vec<Parameter> {
    let chosen = all.iter().filter(|(name, _)| which(name));
    let parameter = |(name, value): (&String, &String)| {
        let method = match DYNAMIC.contains(&name.as_str()) {
            true => ApplyMethod::Immediate,
            false => ApplyMethod::PendingReboot,
        };
        Parameter::builder().parameter_name(name).parameter_value(value).apply_method(method).build()
    };
    chosen.map(parameter).collect()
}

async fn one(
    cx: &Cx,
    group: DbParameterGroup,
    wanted: Option<String>,
    look: &Look,
) -> Result<Option<Live<ParameterGroup>>, Error> {
    let arn = group.db_parameter_group_arn().unwrap_or_default();
    let name = group.db_parameter_group_name().unwrap_or_default();
    let Some((owned, owner)) = look.whose(cx, arn, wanted.as_deref(), super::tags(cx, arn)).await? else {
        return Ok(None);
    };
    let mut set = Vec::new();
    let mut pages =
        cx.rds.describe_db_parameters().db_parameter_group_name(name).source("user").into_paginator().send();
    while let Some(page) = pages.next().await {
        match page.map_err(Error::from) {
            Ok(page) => set.extend(page.parameters.unwrap_or_default()),
            Err(error) if error.is(&["DBParameterGroupNotFound"]) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Live::ready(
        (owned, owner),
        arn.to_owned(),
        state(&group, &set),
        ParameterGroupOutput { name: name.to_owned() },
    )))
}

fn state(group: &DbParameterGroup, set: &[Parameter]) -> ParameterGroupState {
    let set = set.iter().filter(|parameter| parameter.source().is_none_or(|source| source == "user"));
    ParameterGroupState {
        name: group.db_parameter_group_name().unwrap_or_default().to_lowercase(),
        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        parameters: set
            .filter_map(|parameter| {
                Some((parameter.parameter_name()?.to_owned(), parameter.parameter_value()?.to_owned()))
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms of DescribeDBParameters in botocore's model: a system parameter, a parameter without a value, a
    /// parameter that we set.
    #[test]
    fn only_what_somebody_has_set_is_compared() {
        let parameter = |name: &str, value: Option<&str>, source: &str| {
            let parameter = Parameter::builder().parameter_name(name).source(source);
            parameter.set_parameter_value(value.map(str::to_owned)).build()
        };
        let set = [
            parameter("basedir", Some("/rdsdbbin/mysql"), "system"),
            parameter("binlog_format", None, "user"),
            parameter("require_secure_transport", Some("1"), "user"),
        ];
        let group = DbParameterGroup::builder().db_parameter_group_name("A-b-c").db_parameter_group_family("mysql8.4");
        let state = state(&group.build(), &set);
        assert_eq!(state.name, "a-b-c");
        assert_eq!(state.parameters, BTreeMap::from([("require_secure_transport".to_owned(), "1".to_owned())]));
    }

    #[test]
    fn what_needs_a_restart_waits_for_one() {
        let all = BTreeMap::from([("lower_case_table_names", "1"), ("slow_query_log", "1")]);
        let all = all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let methods: Vec<_> = parameters(&all, |_| true).iter().filter_map(|one| one.apply_method().cloned()).collect();
        assert_eq!(methods, [ApplyMethod::PendingReboot, ApplyMethod::Immediate]);
    }
}
