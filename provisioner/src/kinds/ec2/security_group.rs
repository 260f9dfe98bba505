//! `ec2.security_group`: a firewall around the resources in it. Its rules are a resource of their own, so that groups
//! may name each other.
//!
//! Groups are found by their tags. Names have at most 255 characters, do not begin with `sg-`, and are unique in the
//! network: a second create is refused with `InvalidGroup.Duplicate` (EC2 API reference, CreateSecurityGroup). Nothing
//! in a group can be changed. That includes its description, which is therefore kept as it was at the create. A group
//! goes only when no network interface is in it and no rule of another group names it.

use aws_sdk_ec2::types::{Filter, ResourceType, SecurityGroup as Answer};
use serde::{Deserialize, Serialize};

use super::{Vpc, filter, holders, one_of_each, ours, owned, tagged};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look};
use crate::kind::facts::{Facts, Field, Retry};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct SecurityGroup;

#[derive(Serialize, Deserialize)]
pub struct SecurityGroupSpec {
    pub vpc: Ref<Vpc>,
    /// The description. It cannot be changed later.
    pub description: String,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupState {
    pub name: String,
    pub vpc_id: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SecurityGroupOutput {
    pub id: String,
}

impl Kind for SecurityGroup {
    const FACTS: Facts = Facts {
        name: "ec2.security_group",
        fields: &[Field::fixed("name"), Field::fixed("vpc_id"), Field::chosen("description")],
        read_after: &["ec2.vpc"],
        exists: &["InvalidGroup.Duplicate"],
        retry: &[Retry::code("InvalidGroup.InUse", 1800)],
        actions: &[
            "ec2:CreateSecurityGroup",
            "ec2:CreateTags",
            "ec2:DeleteSecurityGroup",
            "ec2:DeleteTags",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SecurityGroupSpec;
    type State = SecurityGroupState;
    type Output = SecurityGroupOutput;
    type Ready = ();

    fn want(
        scope: &Scope,
        name: &str,
        spec: &SecurityGroupSpec,
        outputs: &Outputs,
    ) -> Result<SecurityGroupState, Missing> {
        Ok(SecurityGroupState {
            name: group_name(scope, name),
            vpc_id: outputs.get(&spec.vpc)?.id,
            description: spec.description.clone(),
        })
    }
}

impl OnAws for SecurityGroup {
    async fn read(cx: &Cx, query: &Query<'_, SecurityGroup>) -> Result<Vec<Live<SecurityGroup>>, Error> {
        let mut live: Vec<Live<SecurityGroup>> = Vec::new();
        for group in groups(cx, query.look).await? {
            if let Some((name, owner)) = owned(cx, group.tags()) {
                live.push(as_live(name, owner, group.clone()));
            }
        }
        // Somebody else may have taken the name of a missing group.
        let mut missing = Vec::new();
        for (name, spec) in query.wanted.iter().filter(|(name, _)| !live.iter().any(|live| live.name == *name)) {
            if let Ok(vpc) = query.outputs.get(&spec.vpc) {
                missing.push((vpc.id, group_name(&cx.scope, name), name));
            }
        }
        if !missing.is_empty() {
            let set = |name: &str, values: Vec<String>| Filter::builder().name(name).set_values(Some(values)).build();
            let by_vpc = set("vpc-id", missing.iter().map(|(vpc, ..)| vpc.clone()).collect());
            let by_name = set("group-name", missing.iter().map(|(_, group, _)| group.clone()).collect());
            let call = cx.ec2.describe_security_groups().filters(by_vpc).filters(by_name);
            for group in call.into_paginator().items().send().try_collect().await? {
                let at = |(vpc, name, _): &&(String, String, &String)| {
                    group.vpc_id() == Some(vpc) && group.group_name() == Some(name)
                };
                if let Some((.., name)) = missing.iter().find(at) {
                    let owner = owned(cx, group.tags()).map_or(Owner::Foreign, |(_, owner)| owner);
                    live.push(as_live((*name).clone(), owner, group));
                }
            }
        }
        Ok(one_of_each(live, |_| 0))
    }

    async fn create(cx: &Cx, name: &str, want: &SecurityGroupState) -> Result<SecurityGroupOutput, Error> {
        let call = cx.ec2.create_security_group().vpc_id(&want.vpc_id).group_name(&want.name);
        let call = call.description(&want.description);
        let made = call.tag_specifications(tagged(cx, ResourceType::SecurityGroup, name)).send().await?;
        Ok(SecurityGroupOutput { id: made.group_id.unwrap_or_default() })
    }

    async fn update(_: &Cx, _: &Live<SecurityGroup>, _: &SecurityGroupState, _: &Changed) -> Result<(), Error> {
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<SecurityGroup>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.ec2.delete_security_group().group_id(&live.id).send().await, &["InvalidGroup.NotFound"])
    }

    async fn explain(cx: &Cx, live: &Live<SecurityGroup>) -> Evidence {
        holders(cx, "group-id", &live.id).await
    }
}

/// The name of a group. It does not begin with `sg-`, which AWS keeps for ids.
fn group_name(scope: &Scope, name: &str) -> String {
    match scope.name(name, 249) {
        name if name.starts_with("sg-") => format!("stack-{name}"),
        name => name,
    }
}

/// The groups that this stack made. The default group, which the stack only empties, is not one of them.
pub(super) async fn groups<'a>(cx: &Cx, look: &'a Look) -> Result<impl Iterator<Item = &'a Answer>, Error> {
    let found = all_groups(cx, look).await?;
    Ok(found.iter().filter(|group| group.group_name() != Some("default")))
}

/// All groups with our tag. One look asks for them once.
pub(super) async fn all_groups<'a>(cx: &Cx, look: &'a Look) -> Result<&'a [Answer], Error> {
    let ask = cx.ec2.describe_security_groups().filters(ours(cx)).into_paginator().items().send().try_collect();
    look.security_groups(async { Ok(ask.await?) }).await
}

/// The default group of a network.
pub(super) async fn default_of(cx: &Cx, vpc: &str) -> Result<Option<Answer>, Error> {
    let call =
        cx.ec2.describe_security_groups().filters(filter("vpc-id", vpc)).filters(filter("group-name", "default"));
    Ok(call.into_paginator().items().send().try_collect().await?.pop())
}

fn as_live(name: String, owner: Owner, group: Answer) -> Live<SecurityGroup> {
    let id = group.group_id.unwrap_or_default();
    let state = SecurityGroupState {
        name: group.group_name.unwrap_or_default(),
        vpc_id: group.vpc_id.unwrap_or_default(),
        description: group.description.unwrap_or_default(),
    };
    Live::ready((name, owner), id.clone(), state, SecurityGroupOutput { id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_called_sg_has_groups_too() {
        let scope = |stack: &str| Scope {
            account: "123456789012".into(),
            region: "eu-west-1".into(),
            stack: stack.into(),
            env: "dev".into(),
            tags: Default::default(),
        };
        assert_eq!(group_name(&scope("sendy"), "app"), "sendy-dev-app");
        assert_eq!(group_name(&scope("sg"), "app"), "stack-sg-dev-app");
        assert!(group_name(&scope("sg"), &"a".repeat(300)).len() <= 255);
    }
}
