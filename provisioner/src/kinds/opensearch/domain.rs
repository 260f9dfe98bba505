//! `opensearch.domain`: SKELETON.

use serde::{Deserialize, Serialize};

use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::kinds::ec2::{SecurityGroup, Subnet};
use crate::kinds::iam::Role;
use crate::kinds::kms::Key;
use crate::scope::Scope;

pub struct Domain;

#[derive(Serialize, Deserialize)]
pub struct DomainSpec {
    /// `2.19`.
    pub version: String,
    pub class: String,
    pub nodes: u8,
    /// GiB per node.
    pub storage: u32,
    pub kms_key: Ref<Key>,
    /// The master user of fine-grained access, and the only principal of the access policy.
    pub master: Ref<Role>,
    /// Further principals (ARNs) that may search, such as an administrator's role.
    pub readers: Vec<String>,
    /// Inside the VPC, or `None` for a public endpoint. Cannot be changed later.
    pub inside: Option<Inside>,
}

#[derive(Serialize, Deserialize)]
pub struct Inside {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainOutput {
    pub arn: String,
    pub name: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainReady {
    /// The host, without a scheme.
    pub endpoint: String,
}

impl Kind for Domain {
    const FACTS: Facts =
        Facts { name: "opensearch.domain", fields: &[], read_after: &[], actions: &["x:Y"], ..Facts::DEFAULT };

    type Spec = DomainSpec;
    type State = DomainState;
    type Output = DomainOutput;
    type Ready = DomainReady;

    fn want(_: &Scope, _: &str, _: &DomainSpec, _: &Outputs) -> Result<DomainState, Missing> {
        Ok(DomainState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Domain>) -> Result<Vec<Live<Domain>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &DomainState) -> Result<DomainOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Domain>, _: &DomainState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Domain>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
