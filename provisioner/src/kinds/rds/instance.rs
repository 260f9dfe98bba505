//! `rds.instance`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{ParameterGroup, SubnetGroup};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::SecurityGroup;
use crate::kinds::kms::Key;
use crate::kinds::secretsmanager::Secret;
use crate::scope::Scope;

pub struct Instance;

#[derive(Serialize, Deserialize)]
pub struct InstanceSpec {
    pub class: String,
    pub security_groups: Vec<Ref<SecurityGroup>>,
    /// Protected against deletion.
    pub protected: bool,
    /// `prod`: enhanced monitoring off unless free; kept simple, see the kind's comment.
    pub role: InstanceRole,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceRole {
    Primary {
        /// `8.4`. The minor version is chosen once.
        version: String,
        /// GiB at creation; AWS lets it grow to four times that.
        storage: u32,
        /// Multi-AZ.
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

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceOutput {
    pub arn: String,
    pub identifier: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InstanceReady {
    pub address: String,
    pub port: u16,
}

impl Kind for Instance {
    const FACTS: Facts =
        Facts { name: "rds.instance", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = InstanceSpec;
    type State = InstanceState;
    type Output = InstanceOutput;
    type Ready = InstanceReady;

    fn want(_: &Scope, _: &str, _: &InstanceSpec, _: &Outputs) -> Result<InstanceState, Missing> {
        Ok(InstanceState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Instance>) -> Result<Vec<Live<Instance>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &InstanceState) -> Result<InstanceOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Instance>, _: &InstanceState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Instance>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
