//! `rds.instance`: a MySQL database, or a read replica of one.
//!
//! An instance is found by its identifier: one paginated list of all instances, tags included. Identifiers have at most
//! 63 characters, in lower case, a letter first, no `--` (RDS API reference, CreateDBInstance). AWS takes 5 to 6
//! minutes to make one alone, 10 to 14 to make one with a standby, 5 to 15 to make a replica once its source is
//! available, and 3 to 5 to delete one (logs of real runs, see `seconds`).
//!
//! - *Stable* is more than `available`: nothing is pending, groups are applied, a replica replicates. AWS's own
//!   CloudFormation handler does the same (aws-cloudformation-resource-providers-rds, DBInstancePredicates). The
//!   endpoint works earlier, in `backing-up`.
//! - Every change is applied at once. Otherwise it would wait for the maintenance window.
//! - The password is ours, in a secret, because RDS manages no password for an instance with a replica (RDS user guide,
//!   "Limitations for Secrets Manager integration"). The tag `provision:version` says which version was set last.
//! - A replica inherits storage, encryption, parameter group and backups. If they are sent along, AWS refuses some and
//!   ignores others.
//! - A primary with a replica is not deleted: AWS would turn the replica into a database of its own, billed and
//!   forgotten.
//! - Performance Insights and enhanced monitoring stay off. Performance Insights does not exist on micro and small
//!   classes of MySQL. Enhanced monitoring costs CloudWatch logs and a role. CloudWatch has the metrics that alarms
//!   need.

mod answer;
mod request;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_rds::types::{DbInstance, Event, SourceType};
use serde::{Deserialize, Serialize};

use super::{ParameterGroup, SubnetGroup, tag_list};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error};
use crate::kind::facts::Effect::{Downtime, Restart};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::SecurityGroup;
use crate::kinds::kms::Key;
use crate::kinds::named::candidates;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::secretsmanager::Secret;
use crate::scope::{Scope, VERSION_TAG};

pub struct Instance;

#[derive(Serialize, Deserialize)]
pub struct InstanceSpec {
    pub class: String,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    /// Whether the instance is protected against deletion.
    pub protected: bool,
    /// Whether the instance is a primary or a replica.
    pub role: InstanceRole,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceRole {
    Primary {
        /// The major version, such as `8.4`. The minor version is chosen once.
        version: String,
        /// The storage at creation, in GiB. AWS lets it grow to four times that.
        storage: u32,
        /// Whether there is a standby in another zone (Multi-AZ).
        standby: bool,
        backup_days: u8,
        /// The name of the first schema.
        database: String,
        subnet_group: Ref<SubnetGroup>,
        parameter_group: Ref<ParameterGroup>,
        kms_key: Ref<Key>,
        master: Ref<Secret>,
    },
    Replica {
        source: Ref<Instance>,
    },
}

/// The state of an instance. A field that is `None` in a wanted replica has the value of its source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceState {
    pub identifier: String,
    pub source: Option<String>,
    pub class: String,
    pub security_groups: BTreeSet<String>,
    pub protected: bool,
    pub public: bool,
    pub iam_auth: bool,
    pub copy_tags: bool,
    pub auto_minor: bool,
    pub logs: BTreeSet<String>,
    pub ca: Option<String>,
    pub major: Option<String>,
    pub engine_version: Option<String>,
    pub standby: Option<bool>,
    pub backup_days: Option<i32>,
    pub storage: Option<i32>,
    pub max_storage: Option<i32>,
    pub storage_type: Option<String>,
    pub kms_key: Option<String>,
    pub database: Option<String>,
    pub username: Option<String>,
    pub subnet_group: Option<String>,
    pub parameter_group: Option<String>,
    /// Whether parameters wait for a restart.
    pub awaits_restart: bool,
    /// The secret with the password, and its version that was set last.
    pub master: Option<String>,
    pub master_version: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceOutput {
    pub arn: String,
    pub identifier: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceReady {
    pub address: String,
    pub port: u16,
    /// The id that AWS draws for each instance (`DbiResourceId`).
    pub resource: String,
}

/// The certificate authority. It is valid until 2061.
const CA: &str = "rds-ca-rsa2048-g1";
/// The name of the master user. Attackers try `admin` and `root` first, so it is neither.
const USERNAME: &str = "owner";
const LOGS: [&str; 2] = ["error", "slowquery"];
const MACHINE: &str = "the database moves to another machine and is away meanwhile";
const UPGRADE: &str = "an upgrade of the engine: it cannot be undone";
/// AWS lets storage grow by itself up to this many times the storage that was asked for.
const GROWTH: u32 = 4;

impl Kind for Instance {
    const FACTS: Facts = Facts {
        name: "rds.instance",
        fields: &[
            Field::fixed("identifier"),
            Field::fixed("source"),
            // The effects of changes are from the RDS user guide, "Settings for DB instances"
            // (Overview.DBInstance.Modifying). The durations are our estimates: they depend on the size and the load.
            Field::wanted("class").with(Downtime).out_for(60, 600).taking(300, 1200).note(MACHINE),
            Field::wanted("security_groups"),
            Field::wanted("protected"),
            Field::wanted("public"),
            Field::wanted("iam_auth"),
            Field::wanted("copy_tags"),
            Field::wanted("auto_minor"),
            Field::wanted("logs"),
            Field::wanted("ca").with(Restart).out_for(30, 180),
            Field::wanted("major").with(Downtime).out_for(600, 1800).taking(900, 3600).note(UPGRADE),
            Field::theirs("engine_version"),
            Field::wanted("standby").taking(300, 3600),
            Field::wanted("backup_days").note("to or from 0 days the database restarts"),
            Field::chosen("storage"),
            Field::wanted("max_storage"),
            Field::wanted("storage_type").taking(600, 21_600).note("slower while storage is rebuilt"),
            Field::fixed("kms_key"),
            Field::fixed("database"),
            Field::fixed("username"),
            Field::fixed("subnet_group"),
            Field::wanted("parameter_group").with(Restart).out_for(30, 180),
            Field::theirs("awaits_restart"),
            Field::theirs("master"),
            Field::write_only("master_version"),
        ],
        seconds: Seconds { create: 420, update: 120, delete: 240 },
        holds_data: true,
        copy_of: Some("source"),
        exists: &["DBInstanceAlreadyExists"],
        retry: &[
            // The instance is busy with something else. It has to be available first.
            Retry::code("InvalidDBInstanceState", 3600),
            Retry::code("DBSubnetGroupNotFoundFault", 60),
            Retry::code("DBParameterGroupNotFound", 60),
            Retry::code("KMSKeyNotAccessibleFault", 60),
            Retry::saying("ResourceNotFoundException", "secrets manager", 60),
            Retry::code("InsufficientDBInstanceCapacity", 300),
        ],
        actions: &[
            "ec2:DescribeAccountAttributes",
            "ec2:DescribeAvailabilityZones",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcAttribute",
            "ec2:DescribeVpcs",
            "iam:CreateServiceLinkedRole",
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "rds:AddTagsToResource",
            "rds:CreateDBInstance",
            "rds:CreateDBInstanceReadReplica",
            "rds:CreateDBSnapshot",
            "rds:DeleteDBInstance",
            "rds:DescribeDBInstances",
            "rds:DescribeEvents",
            "rds:ModifyDBInstance",
            "rds:RemoveTagsFromResource",
            "secretsmanager:GetSecretValue",
        ],
        protection: Some("protected"),
        ..Facts::DEFAULT
    };

    type Spec = InstanceSpec;
    type State = InstanceState;
    type Output = InstanceOutput;
    type Ready = InstanceReady;

    fn want(scope: &Scope, name: &str, spec: &InstanceSpec, outputs: &Outputs) -> Result<InstanceState, Missing> {
        let security_groups = outputs.of_each(&spec.security_groups, |group| group.id)?;
        let both = InstanceState {
            identifier: identifier(scope, name),
            class: spec.class.clone(),
            security_groups,
            protected: spec.protected,
            public: false,
            iam_auth: true,
            copy_tags: true,
            auto_minor: true,
            logs: LOGS.map(str::to_owned).into(),
            ca: Some(CA.to_owned()),
            ..InstanceState::default()
        };
        match &spec.role {
            InstanceRole::Replica { source } => {
                // AWS copies only a source that is available.
                outputs.ready(source)?;
                Ok(InstanceState { source: Some(identifier(scope, &source.name)), ..both })
            }
            InstanceRole::Primary {
                version,
                storage,
                standby,
                backup_days,
                database,
                subnet_group,
                parameter_group,
                kms_key,
                master,
            } => {
                let master = outputs.get(master)?;
                Ok(InstanceState {
                    major: Some(answer::major(version)),
                    standby: Some(*standby),
                    backup_days: Some(i32::from(*backup_days)),
                    storage: Some(gibibytes(*storage)),
                    max_storage: Some(gibibytes(storage.saturating_mul(GROWTH))),
                    storage_type: Some("gp3".to_owned()),
                    kms_key: Some(outputs.get(kms_key)?.arn),
                    database: Some(database.clone()),
                    username: Some(USERNAME.to_owned()),
                    subnet_group: Some(outputs.get(subnet_group)?.name),
                    parameter_group: Some(outputs.get(parameter_group)?.name),
                    master: Some(master.arn),
                    master_version: Some(master.version_id),
                    ..both
                })
            }
        }
    }
}

impl OnAws for Instance {
    async fn read(cx: &Cx, query: &Query<'_, Instance>) -> Result<Vec<Live<Instance>>, Error> {
        let all = cx.rds.describe_db_instances().into_paginator().items().send().try_collect().await?;
        let named = candidates(cx, query, all, DbInstance::db_instance_identifier, identifier);
        let live = named.into_iter().filter_map(|(instance, wanted)| {
            let (name, owner) = cx.scope.whose(super::pairs(instance.tag_list()), wanted.as_deref())?;
            let status = answer::status(&instance);
            let arn = instance.db_instance_arn().unwrap_or_default().to_owned();
            let state = answer::state(&cx.scope, &instance);
            let output = InstanceOutput { arn: arn.clone(), identifier: state.identifier.clone() };
            Some(Live { name, owner, id: arn, state, output, ready: answer::ready(&instance), status })
        });
        Ok(live.collect())
    }

    async fn create(cx: &Cx, name: &str, want: &InstanceState) -> Result<InstanceOutput, Error> {
        let mut tags = cx.scope.tags(name);
        tags.extend(want.master_version.clone().map(|version| (VERSION_TAG.to_owned(), version)));
        let tags = tag_list(tags);
        let made = match &want.source {
            Some(source) => request::copy(cx, want, source, tags).await?,
            None => request::make(cx, want, tags).await?,
        };
        let arn = made.and_then(|made| made.db_instance_arn);
        let arn = arn.unwrap_or_else(|| cx.scope.arn("rds", &format!("db:{}", want.identifier)));
        Ok(InstanceOutput { arn, identifier: want.identifier.clone() })
    }

    async fn update(cx: &Cx, live: &Live<Instance>, want: &InstanceState, changed: &Changed) -> Result<(), Error> {
        request::modify(cx, live, want, changed).await
    }

    async fn delete(cx: &Cx, live: &Live<Instance>, last: LastWish) -> Result<(), Error> {
        let id = &live.output.identifier;
        let Some(now) = describe(cx, id).await? else {
            return Ok(());
        };
        if now.db_instance_status() == Some("deleting") {
            return Ok(());
        }
        for replica in now.read_replica_db_instance_identifiers() {
            // The list lags behind: a replica that is gone may still be in it. A replica in another region is named by
            // its ARN.
            if replica.starts_with("arn:") || describe(cx, replica).await?.is_some() {
                let message = format!("{id} still has the replica {replica}");
                return Err(Error { code: "InvalidDBInstanceState".into(), ..Error::ours(message) });
            }
        }
        let mut call = cx.rds.delete_db_instance().db_instance_identifier(id);
        call = match (live.state.source.is_some(), last) {
            (true, _) => call.skip_final_snapshot(true),
            (false, LastWish::Discard) => call.skip_final_snapshot(true).delete_automated_backups(true),
            (false, LastWish::Snapshot) => {
                let word = now.db_instance_status().unwrap_or_default();
                if ["failed", "incompatible-network", "incompatible-restore"].contains(&word) {
                    return Err(Error::ours(format!("{id} is `{word}`: AWS takes no final snapshot of it")));
                }
                call.skip_final_snapshot(false).final_db_snapshot_identifier(final_snapshot(id))
            }
        };
        match call.send().await.map_err(Error::from) {
            Err(error) if error.is(GONE) || error.says("already being deleted") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    async fn unprotect(cx: &Cx, live: &Live<Instance>) -> Result<(), Error> {
        if !live.state.protected {
            return Ok(());
        }
        let call = cx.rds.modify_db_instance().db_instance_identifier(&live.output.identifier);
        match call.deletion_protection(false).apply_immediately(true).send().await.map_err(Error::from) {
            Err(error) if error.is(GONE) || error.says("already being deleted") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    async fn explain(cx: &Cx, live: &Live<Instance>) -> Evidence {
        let mut evidence = Evidence::default();
        let call = cx.rds.describe_events().source_type(SourceType::DbInstance);
        let answer = call.source_identifier(&live.output.identifier).duration(DAY).send().await;
        let events = evidence.read("events", answer).and_then(|answer| answer.events).unwrap_or_default();
        let failed = |event: &&Event| event.event_categories().iter().any(|category| category == "failure");
        evidence.cause = events.iter().rev().find(failed).and_then(Event::message).map(str::to_owned);
        let newest = &events[events.len().saturating_sub(10)..];
        evidence.lines = newest.iter().filter_map(|event| Some(format!("event: {}", event.message()?))).collect();
        evidence
    }
}

/// A day in minutes.
const DAY: i32 = 24 * 60;
const GONE: &[&str] = &["DBInstanceNotFound", "DBInstanceNotFoundFault"];

fn identifier(scope: &Scope, name: &str) -> String {
    scope.name(name, 63).to_lowercase()
}

fn gibibytes(storage: u32) -> i32 {
    i32::try_from(storage).unwrap_or(i32::MAX)
}

/// The name of the final snapshot. It is unique, so that a second database of the same name can end in the same way.
fn final_snapshot(id: &str) -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("{id}-final-{seconds}")
}

async fn describe(cx: &Cx, id: &str) -> Result<Option<DbInstance>, Error> {
    let answer = cx.rds.describe_db_instances().db_instance_identifier(id).send().await;
    Ok(Error::unless_gone(answer, GONE)?.and_then(|answer| answer.db_instances?.pop()))
}
