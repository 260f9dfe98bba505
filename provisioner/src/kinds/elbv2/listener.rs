//! `elbv2.listener`: SKELETON.

use serde::{Deserialize, Serialize};

use super::{LoadBalancer, TargetGroup};
use crate::aws::{Cx, Error};
use crate::board::{Missing, Outputs};
use crate::kind::{Changed, Facts, Kind, LastWish, Live, Query, Ref};
use crate::scope::Scope;

pub struct Listener;

#[derive(Serialize, Deserialize)]
pub struct ListenerSpec {
    pub load_balancer: Ref<LoadBalancer>,
    pub port: u16,
    pub does: Does,
}

/// What a listener does with requests that no rule takes.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// Answers 404.
    NotFound,
    Forward(Ref<TargetGroup>),
    /// Redirects to HTTPS on 443 (301).
    ToHttps,
    /// Like `NotFound` or `Forward`, over TLS with this ACM certificate.
    Secure {
        certificate: String,
        forward: Option<Ref<TargetGroup>>,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListenerState {}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ListenerOutput {
    pub arn: String,
}

impl Kind for Listener {
    const FACTS: Facts = Facts {
        name: "elbv2.listener",
        fields: &[],
        read_after: &["elbv2.load_balancer"],
        actions: &["x:Y"],
        ..Facts::DEFAULT
    };

    type Spec = ListenerSpec;
    type State = ListenerState;
    type Output = ListenerOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, _: &ListenerSpec, _: &Outputs) -> Result<ListenerState, Missing> {
        Ok(ListenerState {})
    }

    async fn read(_: &Cx, _: &Query<'_, Listener>) -> Result<Vec<Live<Listener>>, Error> {
        Ok(Vec::new())
    }

    async fn create(_: &Cx, _: &str, _: &ListenerState) -> Result<ListenerOutput, Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn update(_: &Cx, _: &Live<Listener>, _: &ListenerState, _: &Changed) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }

    async fn delete(_: &Cx, _: &Live<Listener>, _: LastWish) -> Result<(), Error> {
        Err(Error::ours("SKELETON"))
    }
}
