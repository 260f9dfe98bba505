//! `elasticache.replication_group`: a Valkey or Redis primary with its replicas, cluster mode disabled.
//!
//! A group is found by its id: one list of all groups, one list of all member clusters (only they know version and
//! security groups), then the tags of the groups with our prefix. Ids have at most 40 characters, in lower case, a
//! letter first, no `--` (ElastiCache API reference, CreateReplicationGroup). Members are called `<id>-001` and so on,
//! and go with the group. AWS takes 5 to 9 minutes to make a group, and 50 in rare cases (logs of real runs). The
//! endpoints are not known before.
//!
//! - A group takes one change at a time. `update` starts the first change. The next one is refused until the first is
//!   done (`InvalidReplicationGroupState`), and the engine comes back with the changes that are left.
//! - A new AUTH token takes three writes. A run goes on with them wherever an earlier run was cut off (`token`). The
//!   strategy is ROTATE, under which the old token works until the next rotation: services restart with the new token
//!   in their own time.
//! - Automatic failover needs a replica. It is switched off before the last replica goes, and on after the first one
//!   came.

mod answer;
mod token;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_elasticache::types::{CacheCluster, Event, ReplicationGroup as Group, TransitEncryptionMode};
use serde::{Deserialize, Serialize};

use super::{SubnetGroup, tag_list};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, collect};
use crate::kind::facts::Effect::{Downtime, Failover};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::SecurityGroup;
use crate::kinds::kms::Key;
use crate::kinds::named::candidates;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::secretsmanager::Secret;
use crate::scope::{Scope, VERSION_TAG};

pub struct ReplicationGroup;

#[derive(Serialize, Deserialize)]
pub struct ReplicationGroupSpec {
    /// The engine: `valkey` or `redis`.
    pub engine: String,
    /// The major and minor version, as in `8.0`. AWS decides the patch.
    pub version: String,
    pub class: String,
    pub nodes: u8,
    pub subnet_group: Ref<SubnetGroup>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    pub kms_key: Ref<Key>,
    /// The secret that holds the AUTH token under `token`.
    pub auth: Ref<Secret>,
    /// For how many days AWS keeps automatic snapshots.
    pub snapshot_days: u8,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplicationGroupState {
    pub id: String,
    pub engine: Option<String>,
    pub version: Option<String>,
    pub class: String,
    pub nodes: i32,
    pub failover: bool,
    pub multi_az: bool,
    pub subnet_group: Option<String>,
    pub security_groups: BTreeSet<String>,
    pub kms_key: String,
    pub at_rest: bool,
    /// The mode of TLS. `required` means that the group takes only connections with TLS.
    pub transit: String,
    pub snapshot_days: i32,
    pub auto_minor: bool,
    /// The secret with the AUTH token, and its version that was set last.
    pub auth: Option<String>,
    pub auth_version: Option<String>,
    /// The version that the tag announces and that is not set yet.
    pub auth_announced: Option<String>,
    /// When a token was set last, in AWS's words.
    pub auth_date: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplicationGroupOutput {
    pub arn: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplicationGroupReady {
    pub primary: String,
    pub reader: String,
    pub port: u16,
}

const UPGRADE: &str = "it cannot be undone";
const TLS: &str = "clients that use no TLS are shut out";
const PORT: i32 = 6379;
const GONE: &[&str] = &["ReplicationGroupNotFoundFault", "ReplicationGroupNotFound"];
impl Kind for ReplicationGroup {
    const FACTS: Facts = Facts {
        name: "elasticache.replication_group",
        fields: &[
            Field::fixed("id"),
            // The effects of changes are from the ElastiCache user guide, "Scaling" and "Upgrading engine versions".
            // With one node there is no other node to fail over to, and a failover is an outage.
            Field::wanted("engine").with(Failover).out_for(1, 60).taking(600, 3600).note(UPGRADE),
            Field::wanted("version").with(Failover).out_for(1, 60).taking(600, 3600).note(UPGRADE),
            Field::wanted("class").with(Failover).out_for(1, 60).taking(300, 1800),
            Field::wanted("nodes").taking(300, 1200),
            Field::wanted("failover"),
            Field::wanted("multi_az"),
            Field::fixed("subnet_group"),
            Field::wanted("security_groups"),
            Field::fixed("kms_key"),
            Field::fixed("at_rest"),
            Field::wanted("transit").with(Downtime).out_for(1, 300).note(TLS),
            Field::wanted("snapshot_days"),
            Field::wanted("auto_minor"),
            Field::theirs("auth"),
            Field::write_only("auth_version"),
            Field::theirs("auth_announced"),
            Field::theirs("auth_date"),
        ],
        seconds: Seconds { create: 480, update: 300, delete: 300 },
        holds_data: true,
        exists: &["ReplicationGroupAlreadyExists", "ReplicationGroupAlreadyExistsFault"],
        retry: &[
            // The group is busy with something else. It has to be available first.
            Retry::code("InvalidReplicationGroupState", 3600),
            Retry::code("InvalidReplicationGroupStateFault", 3600),
            Retry::code("InvalidCacheClusterState", 3600),
            Retry::code("CacheClusterNotFound", 60),
            Retry::code("CacheSubnetGroupNotFoundFault", 60),
            Retry::code("InsufficientCacheClusterCapacity", 300),
        ],
        actions: &[
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "elasticache:AddTagsToResource",
            "elasticache:CreateReplicationGroup",
            "elasticache:CreateSnapshot",
            "elasticache:DecreaseReplicaCount",
            "elasticache:DeleteReplicationGroup",
            "elasticache:DescribeCacheClusters",
            "elasticache:DescribeEvents",
            "elasticache:DescribeReplicationGroups",
            "elasticache:IncreaseReplicaCount",
            "elasticache:ListTagsForResource",
            "elasticache:ModifyReplicationGroup",
            "elasticache:RemoveTagsFromResource",
            "iam:CreateServiceLinkedRole",
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "secretsmanager:GetSecretValue",
        ],
        ..Facts::DEFAULT
    };

    type Spec = ReplicationGroupSpec;
    type State = ReplicationGroupState;
    type Output = ReplicationGroupOutput;
    type Ready = ReplicationGroupReady;

    fn want(
        scope: &Scope,
        name: &str,
        spec: &ReplicationGroupSpec,
        outputs: &Outputs,
    ) -> Result<ReplicationGroupState, Missing> {
        let security_groups = outputs.of_each(&spec.security_groups, |group| group.id)?;
        let auth = outputs.get(&spec.auth)?;
        Ok(ReplicationGroupState {
            id: group_id(scope, name),
            engine: Some(spec.engine.clone()),
            version: Some(answer::major_and_minor(&spec.version)),
            class: spec.class.clone(),
            nodes: i32::from(spec.nodes),
            failover: spec.nodes > 1,
            multi_az: spec.nodes > 1,
            subnet_group: Some(outputs.get(&spec.subnet_group)?.name),
            security_groups,
            kms_key: outputs.get(&spec.kms_key)?.arn,
            at_rest: true,
            transit: TransitEncryptionMode::Required.as_str().to_owned(),
            snapshot_days: i32::from(spec.snapshot_days),
            auto_minor: true,
            auth: Some(auth.arn),
            auth_version: Some(auth.version_id),
            auth_announced: None,
            auth_date: None,
        })
    }
}

impl OnAws for ReplicationGroup {
    async fn read(cx: &Cx, query: &Query<'_, ReplicationGroup>) -> Result<Vec<Live<ReplicationGroup>>, Error> {
        let (groups, members) = tokio::try_join!(all_groups(cx), all_members(cx))?;
        let named = candidates(cx, query, groups, Group::replication_group_id, group_id);
        collect(named, |(group, wanted)| one(cx, group, &members, wanted)).await
    }

    async fn create(cx: &Cx, name: &str, want: &ReplicationGroupState) -> Result<ReplicationGroupOutput, Error> {
        let mut tags = cx.scope.tags(name);
        tags.extend(want.auth_version.clone().map(|version| (VERSION_TAG.to_owned(), version)));
        let tags = tag_list(tags);
        let call = cx
            .elasticache
            .create_replication_group()
            .replication_group_id(&want.id)
            .replication_group_description(format!("{name} of {}", cx.scope.prefix()))
            .port(PORT)
            .num_cache_clusters(want.nodes)
            .cache_node_type(&want.class)
            .automatic_failover_enabled(want.failover)
            .multi_az_enabled(want.multi_az)
            .kms_key_id(&want.kms_key)
            .at_rest_encryption_enabled(want.at_rest)
            .transit_encryption_enabled(true)
            .transit_encryption_mode(TransitEncryptionMode::Required)
            .auth_token(token::value(cx, want).await?)
            .snapshot_retention_limit(want.snapshot_days)
            .auto_minor_version_upgrade(want.auto_minor)
            .set_engine(want.engine.clone())
            .set_engine_version(want.version.clone())
            .set_cache_subnet_group_name(want.subnet_group.clone())
            .set_security_group_ids(Some(want.security_groups.iter().cloned().collect()))
            .set_tags(Some(tags));
        let arn = call.send().await?.replication_group.and_then(|group| group.arn);
        let known = || cx.scope.arn("elasticache", &format!("replicationgroup:{}", want.id));
        Ok(ReplicationGroupOutput { arn: arn.unwrap_or_else(known) })
    }

    async fn update(
        cx: &Cx,
        live: &Live<ReplicationGroup>,
        want: &ReplicationGroupState,
        changed: &Changed,
    ) -> Result<(), Error> {
        let change = || {
            let call = cx.elasticache.modify_replication_group().replication_group_id(&want.id);
            call.apply_immediately(true)
        };
        if changed.has("auth_version") {
            token::rotate(cx, live, want).await?;
        }
        let settings = ["transit", "snapshot_days", "auto_minor", "security_groups"];
        if changed.any(&settings) || (changed.any(&["failover", "multi_az"]) && !want.failover) {
            let call = change()
                .set_snapshot_retention_limit(changed.has("snapshot_days").then_some(want.snapshot_days))
                .set_auto_minor_version_upgrade(changed.has("auto_minor").then_some(want.auto_minor))
                .set_multi_az_enabled((changed.has("multi_az") && !want.multi_az).then_some(false))
                .set_automatic_failover_enabled((changed.has("failover") && !want.failover).then_some(false));
            let call = match changed.has("security_groups") {
                true => call.set_security_group_ids(Some(want.security_groups.iter().cloned().collect())),
                false => call,
            };
            // The way from no TLS to `required` takes two steps. The next read finds the second step as a difference.
            let next = match live.state.transit.as_str() {
                "" => TransitEncryptionMode::Preferred,
                _ => TransitEncryptionMode::Required,
            };
            let call = match changed.has("transit") {
                true => call.transit_encryption_enabled(true).transit_encryption_mode(next),
                false => call,
            };
            call.send().await?;
        }
        if changed.has("nodes") {
            count(cx, &want.id, live.state.nodes, want.nodes).await?;
        }
        if changed.any(&["failover", "multi_az"]) && want.failover {
            change().automatic_failover_enabled(want.failover).multi_az_enabled(want.multi_az).send().await?;
        }
        if changed.has("class") {
            change().cache_node_type(&want.class).send().await?;
        }
        if changed.any(&["engine", "version"]) {
            let engine = want.engine.clone().filter(|_| changed.has("engine"));
            change().set_engine(engine).set_engine_version(want.version.clone()).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<ReplicationGroup>, last: LastWish) -> Result<(), Error> {
        let call = cx.elasticache.delete_replication_group().replication_group_id(&live.state.id);
        let call = match last {
            LastWish::Discard => call,
            // The name of the snapshot is unique, so that a second cache of the same name can end in the same way.
            LastWish::Snapshot => call.final_snapshot_identifier(format!("{}-final-{}", live.state.id, now())),
        };
        match call.retain_primary_cluster(false).send().await.map_err(Error::from) {
            Err(error) if error.is(GONE) || error.says("deleting") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Collects evidence about the group and its members, which are called `<group>-001` and so on.
    async fn explain(cx: &Cx, live: &Live<ReplicationGroup>) -> Evidence {
        let mut evidence = Evidence::default();
        let answer = cx.elasticache.describe_events().duration(DAY).send().await;
        let mut events = evidence.read("events", answer).and_then(|answer| answer.events).unwrap_or_default();
        let members = format!("{}-", live.state.id);
        events.retain(|event| {
            event.source_identifier().is_some_and(|id| id == live.state.id || id.starts_with(&members))
        });
        let newest = &events[events.len().saturating_sub(10)..];
        let telling = |message: &&str| {
            ["fail", "unable", "insufficient", "not enough"].iter().any(|word| message.to_lowercase().contains(word))
        };
        evidence.cause = newest.iter().rev().filter_map(Event::message).find(telling).map(str::to_owned);
        evidence.lines = newest.iter().filter_map(|event| Some(format!("event: {}", event.message()?))).collect();
        evidence
    }
}

/// A day in minutes.
const DAY: i32 = 24 * 60;

fn group_id(scope: &Scope, name: &str) -> String {
    scope.name(name, 40).to_lowercase()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

async fn count(cx: &Cx, id: &str, old: i32, new: i32) -> Result<(), Error> {
    // The primary does not count as a replica.
    match new > old {
        true => {
            let call = cx.elasticache.increase_replica_count().replication_group_id(id).apply_immediately(true);
            call.new_replica_count(new - 1).send().await?;
        }
        false => {
            let call = cx.elasticache.decrease_replica_count().replication_group_id(id).apply_immediately(true);
            call.new_replica_count(new - 1).send().await?;
        }
    }
    Ok(())
}

async fn all_groups(cx: &Cx) -> Result<Vec<Group>, Error> {
    Ok(cx.elasticache.describe_replication_groups().into_paginator().items().send().try_collect().await?)
}

async fn all_members(cx: &Cx) -> Result<Vec<CacheCluster>, Error> {
    Ok(cx.elasticache.describe_cache_clusters().into_paginator().items().send().try_collect().await?)
}

async fn one(
    cx: &Cx,
    group: Group,
    members: &[CacheCluster],
    wanted: Option<String>,
) -> Result<Option<Live<ReplicationGroup>>, Error> {
    let arn = group.arn().unwrap_or_default().to_owned();
    // The tags come from ElastiCache itself, because the version of the token is in a tag, and the tag index lags.
    let tags = super::tags(cx, &arn).await?;
    let Some((name, owner)) = cx.scope.whose(&tags, wanted.as_deref()) else {
        return Ok(None);
    };
    let version = tags.get(VERSION_TAG).map(String::as_str);
    let member = members.iter().find(|member| member.replication_group_id() == group.replication_group_id());
    Ok(Some(Live {
        name,
        owner,
        state: answer::state(&cx.scope, &group, member, version),
        output: ReplicationGroupOutput { arn: arn.clone() },
        id: arn,
        ready: answer::ready(&group),
        status: answer::status(&group),
    }))
}
