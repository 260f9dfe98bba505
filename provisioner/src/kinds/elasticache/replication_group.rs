//! `elasticache.replication_group`: SKELETON.

use serde::{Deserialize, Serialize};

use super::SubnetGroup;
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::SecurityGroup;
use crate::kinds::kms::Key;
use crate::kinds::secretsmanager::Secret;
use crate::scope::Scope;

pub struct ReplicationGroup;

#[derive(Serialize, Deserialize)]
pub struct ReplicationGroupSpec {
    /// `valkey` or `redis`.
    pub engine: String,
    /// Major and minor, as in `8.0`; a patch is AWS's.
    pub version: String,
    pub class: String,
    pub nodes: u8,
    pub subnet_group: Ref<SubnetGroup>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    pub kms_key: Ref<Key>,
    /// Holds the AUTH token under `token`.
    pub auth: Ref<Secret>,
    /// Days of automatic snapshots.
    pub snapshot_days: u8,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReplicationGroupState {}

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

impl Kind for ReplicationGroup {
    const FACTS: Facts = Facts {
        name: "elasticache.replication_group",
        fields: &[],
        read_after: &[],
        actions: &["x:Y"],
        ..Facts::DEFAULT
    };

    type Spec = ReplicationGroupSpec;
    type State = ReplicationGroupState;
    type Output = ReplicationGroupOutput;
    type Ready = ReplicationGroupReady;

    fn want(_: &Scope, _: &str, _: &ReplicationGroupSpec, _: &Outputs) -> Result<ReplicationGroupState, Missing> {
        Ok(ReplicationGroupState {})
    }

    async fn read(_: &Cx, _: &Query<'_, ReplicationGroup>) -> Result<Vec<Live<ReplicationGroup>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ReplicationGroupState) -> Result<ReplicationGroupOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<ReplicationGroup>, _: &ReplicationGroupState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<ReplicationGroup>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
