//! `ec2.default_security_group`: the group that AWS gives every network. It is emptied (EC2.2).
//!
//! Nobody can make or delete it: it comes and goes with its network. We own only our tag on it. `create` tags the
//! group and empties it, `delete` takes the tag off, and the group counts as live only while it has the tag.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::security_group_rules::{bring, texts};
use super::{Vpc, after_create, one_of_each, owned, remove_tags, security_group, tag_list};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct DefaultSecurityGroup;

#[derive(Serialize, Deserialize)]
pub struct DefaultSecurityGroupSpec {
    /// The network whose default group is emptied. The group goes with it.
    pub vpc: Ref<Vpc>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DefaultSecurityGroupState {
    pub vpc_id: String,
    pub ingress: BTreeSet<String>,
    pub egress: BTreeSet<String>,
}

impl Kind for DefaultSecurityGroup {
    const FACTS: Facts = Facts {
        name: "ec2.default_security_group",
        fields: &[Field::fixed("vpc_id"), Field::wanted("ingress"), Field::wanted("egress")],
        actions: &[
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:DescribeSecurityGroups",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ],
        ..Facts::DEFAULT
    };

    type Spec = DefaultSecurityGroupSpec;
    type State = DefaultSecurityGroupState;
    type Output = ();
    type Ready = ();

    fn want(
        _: &Scope,
        _: &str,
        spec: &DefaultSecurityGroupSpec,
        outputs: &Outputs,
    ) -> Result<DefaultSecurityGroupState, Missing> {
        Ok(DefaultSecurityGroupState {
            vpc_id: outputs.get(&spec.vpc)?.id,
            ingress: BTreeSet::new(),
            egress: BTreeSet::new(),
        })
    }
}

impl OnAws for DefaultSecurityGroup {
    async fn read(cx: &Cx, query: &Query<'_, DefaultSecurityGroup>) -> Result<Vec<Live<DefaultSecurityGroup>>, Error> {
        let groups = security_group::all_groups(cx, query.look).await?;
        let mut live = Vec::new();
        for group in groups.iter().filter(|group| group.group_name() == Some("default")) {
            let Some(whose) = owned(cx, group.tags()) else {
                continue;
            };
            let state = DefaultSecurityGroupState {
                ingress: texts(&cx.scope.account, group.ip_permissions()),
                egress: texts(&cx.scope.account, group.ip_permissions_egress()),
                vpc_id: group.vpc_id().unwrap_or_default().to_owned(),
            };
            live.push(Live::ready(whose, group.group_id().unwrap_or_default().to_owned(), state, ()));
        }
        Ok(one_of_each(live, |_| 0))
    }

    async fn create(cx: &Cx, name: &str, want: &DefaultSecurityGroupState) -> Result<(), Error> {
        let Some(group) = security_group::default_of(cx, &want.vpc_id).await? else {
            let message = format!("EC2 does not show the default security group of {} yet", want.vpc_id);
            return Err(Error { code: "InvalidGroup.NotFound".into(), ..Error::ours(message) });
        };
        let id = group.group_id.unwrap_or_default();
        // The tag comes first: our own policy may let us change only what has it. A group that was tagged and not emptied
        // shows as a difference.
        cx.ec2.create_tags().resources(&id).set_tags(Some(tag_list(cx.scope.tags(name)))).send().await?;
        bring(cx, &id, &want.ingress, &want.egress).await.map_err(after_create)
    }

    async fn update(
        cx: &Cx,
        live: &Live<DefaultSecurityGroup>,
        want: &DefaultSecurityGroupState,
        _: &Changed,
    ) -> Result<(), Error> {
        bring(cx, &live.id, &want.ingress, &want.egress).await
    }

    async fn delete(cx: &Cx, live: &Live<DefaultSecurityGroup>, _: LastWish) -> Result<(), Error> {
        let keys = cx.scope.tags(&live.name).into_iter().map(|(key, _)| key).collect();
        Error::or_gone(remove_tags(cx, &live.id, keys).await, &["InvalidGroup.NotFound", "InvalidGroupId.NotFound"])
    }
}
