//! `ec2.security_group_rules`: all rules of one security group.
//!
//! The rules belong to their group. The group's tag `provision:rules` says that they have been set: without it nobody
//! could tell "no rules yet" from "no rules, as wanted". All rules are ours: a rule that was added by hand is revoked,
//! and so is the rule that AWS gives a new group, "everything may go out". A rule is compared as text such as
//! `tcp 443 sg-1`, without its description, which AWS does not need to revoke it. A group has up to 60 rules in and 60
//! out.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup as Answer, Tag, UserIdGroupPair,
};
use serde::{Deserialize, Serialize};

use super::{SecurityGroup, one_of_each, security_group};
use crate::aws::{Cx, Error};
use crate::kind::facts::{Facts, Field};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct SecurityGroupRules;

#[derive(Serialize, Deserialize)]
pub struct SecurityGroupRulesSpec {
    pub group: Ref<SecurityGroup>,
    pub ingress: Vec<Rule>,
    pub egress: Vec<Rule>,
}

/// A rule for TCP on one port, or for everything.
#[derive(Serialize, Deserialize)]
pub struct Rule {
    pub peer: Peer,
    /// The port. `None` means all ports and protocols.
    pub port: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    Group(Ref<SecurityGroup>),
    Cidr(String),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SecurityGroupRulesState {
    pub group_id: String,
    pub ingress: BTreeSet<String>,
    pub egress: BTreeSet<String>,
}

impl Kind for SecurityGroupRules {
    const FACTS: Facts = Facts {
        name: "ec2.security_group_rules",
        untagged: "they belong to their group",
        part: true,
        fields: &[Field::fixed("group_id"), Field::wanted("ingress"), Field::wanted("egress")],
        exists: &["InvalidPermission.Duplicate"],
        actions: &[
            "ec2:AuthorizeSecurityGroupEgress",
            "ec2:AuthorizeSecurityGroupIngress",
            "ec2:CreateTags",
            "ec2:DeleteTags",
            "ec2:DescribeSecurityGroups",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:RevokeSecurityGroupIngress",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SecurityGroupRulesSpec;
    type State = SecurityGroupRulesState;
    type Output = ();
    type Ready = ();

    fn want(
        _: &Scope,
        _: &str,
        spec: &SecurityGroupRulesSpec,
        outputs: &Outputs,
    ) -> Result<SecurityGroupRulesState, Missing> {
        let texts = |rules: &[Rule]| -> Result<BTreeSet<String>, Missing> {
            let mut texts = BTreeSet::new();
            for rule in rules {
                let peer = match &rule.peer {
                    Peer::Group(group) => outputs.get(group)?.id,
                    Peer::Cidr(range) => range.clone(),
                };
                texts.insert(match rule.port {
                    Some(port) => format!("tcp {port} {peer}"),
                    None => format!("all {peer}"),
                });
            }
            Ok(texts)
        };
        Ok(SecurityGroupRulesState {
            group_id: outputs.get(&spec.group)?.id,
            ingress: texts(&spec.ingress)?,
            egress: texts(&spec.egress)?,
        })
    }
}

impl OnAws for SecurityGroupRules {
    async fn read(cx: &Cx, query: &Query<'_, SecurityGroupRules>) -> Result<Vec<Live<SecurityGroupRules>>, Error> {
        let mut live = Vec::new();
        for group in security_group::groups(cx, query.look).await? {
            let Some(mark) = group.tags().iter().find(|tag| tag.key() == Some(MARK)) else {
                continue;
            };
            live.push(Live::ready(
                (mark.value().unwrap_or_default().to_owned(), Owner::Child),
                group.group_id().unwrap_or_default().to_owned(),
                state(&cx.scope.account, group),
                (),
            ));
        }
        Ok(one_of_each(live, |_| 0))
    }

    async fn create(cx: &Cx, name: &str, want: &SecurityGroupRulesState) -> Result<(), Error> {
        bring(cx, &want.group_id, &want.ingress, &want.egress).await?;
        let mark = Tag::builder().key(MARK).value(name).build();
        cx.ec2.create_tags().resources(&want.group_id).tags(mark).send().await?;
        Ok(())
    }

    async fn update(
        cx: &Cx,
        live: &Live<SecurityGroupRules>,
        want: &SecurityGroupRulesState,
        changed: &Changed,
    ) -> Result<(), Error> {
        let pick = |field: &str| if changed.has(field) { want } else { &live.state };
        bring(cx, &live.id, &pick("ingress").ingress, &pick("egress").egress).await
    }

    async fn delete(cx: &Cx, live: &Live<SecurityGroupRules>, _: LastWish) -> Result<(), Error> {
        let gone = &["InvalidGroup.NotFound", "InvalidGroupId.NotFound", "InvalidID"];
        Error::or_gone(bring(cx, &live.id, &BTreeSet::new(), &BTreeSet::new()).await, gone)?;
        let mark = Tag::builder().key(MARK).build();
        Error::or_gone(cx.ec2.delete_tags().resources(&live.id).tags(mark).send().await, gone)
    }
}

const MARK: &str = "provision:rules";

fn state(account: &str, group: &Answer) -> SecurityGroupRulesState {
    SecurityGroupRulesState {
        group_id: group.group_id().unwrap_or_default().to_owned(),
        ingress: texts(account, group.ip_permissions()),
        egress: texts(account, group.ip_permissions_egress()),
    }
}

/// Gives a group exactly these rules, whatever rules it has. New rules are added before old rules are removed, so that
/// traffic which may pass is never cut off.
pub(super) async fn bring(
    cx: &Cx,
    group: &str,
    ingress: &BTreeSet<String>,
    egress: &BTreeSet<String>,
) -> Result<(), Error> {
    let answer = cx.ec2.describe_security_groups().group_ids(group).send().await?;
    let now = answer.security_groups().first().map(|group| state(&cx.scope.account, group)).unwrap_or_default();
    let list = |of: &BTreeSet<String>, but: &BTreeSet<String>| -> Vec<IpPermission> {
        of.difference(but).map(|text| permission(text)).collect()
    };
    let (more_in, more_out) = (list(ingress, &now.ingress), list(egress, &now.egress));
    let (less_in, less_out) = (list(&now.ingress, ingress), list(&now.egress, egress));
    if !more_in.is_empty() {
        let call = cx.ec2.authorize_security_group_ingress().group_id(group);
        call.set_ip_permissions(Some(more_in)).send().await?;
    }
    if !more_out.is_empty() {
        let call = cx.ec2.authorize_security_group_egress().group_id(group);
        call.set_ip_permissions(Some(more_out)).send().await?;
    }
    if !less_in.is_empty() {
        let call = cx.ec2.revoke_security_group_ingress().group_id(group);
        Error::or_gone(call.set_ip_permissions(Some(less_in)).send().await, GONE)?;
    }
    if !less_out.is_empty() {
        let call = cx.ec2.revoke_security_group_egress().group_id(group);
        Error::or_gone(call.set_ip_permissions(Some(less_out)).send().await, GONE)?;
    }
    Ok(())
}

/// Somebody else revoked the rule between our read and our write.
const GONE: &[&str] = &["InvalidPermission.NotFound"];

/// The rules as text: `<protocol> <ports> <peer>` for each pair of ports and peer, without the ports where there are
/// none.
pub(super) fn texts(account: &str, permissions: &[IpPermission]) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for permission in permissions {
        let ports = match (permission.ip_protocol(), permission.from_port(), permission.to_port()) {
            (None | Some("-1"), ..) => "all".to_owned(),
            (Some(protocol), Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
            (Some(protocol), Some(from), Some(to)) => format!("{protocol} {from}..{to}"),
            (Some(protocol), ..) => protocol.to_owned(),
        };
        let ranges = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip()).map(str::to_owned);
        let ranges6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6()).map(str::to_owned);
        let lists = permission.prefix_list_ids().iter().filter_map(|list| list.prefix_list_id()).map(str::to_owned);
        let groups =
            permission.user_id_group_pairs().iter().filter_map(|pair| match (pair.user_id(), pair.group_id()?) {
                (Some(other), id) if other != account => Some(format!("{other}/{id}")),
                (_, id) => Some(id.to_owned()),
            });
        texts.extend(ranges.chain(ranges6).chain(lists).chain(groups).map(|peer| format!("{ports} {peer}")));
    }
    texts
}

/// Makes the rule that a text says.
fn permission(text: &str) -> IpPermission {
    let words: Vec<&str> = text.split(' ').collect();
    let (protocol, peer) = (words.first().copied().unwrap_or_default(), words.last().copied().unwrap_or_default());
    let mut permission = IpPermission::builder().ip_protocol(if protocol == "all" { "-1" } else { protocol });
    if let [_, ports, _] = words[..] {
        let (from, to) = ports.split_once("..").unwrap_or((ports, ports));
        permission = permission.set_from_port(from.parse().ok()).set_to_port(to.parse().ok());
    }
    match peer.split_once("/sg-") {
        Some((account, id)) => {
            let pair = UserIdGroupPair::builder().user_id(account).group_id(format!("sg-{id}"));
            permission.user_id_group_pairs(pair.build())
        }
        None if peer.starts_with("sg-") => {
            permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(peer).build())
        }
        None if peer.starts_with("pl-") => {
            permission.prefix_list_ids(PrefixListId::builder().prefix_list_id(peer).build())
        }
        None if peer.contains(':') => permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(peer).build()),
        None => permission.ip_ranges(IpRange::builder().cidr_ip(peer).build()),
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as recorded by cloud-custodian
    /// (tests/data/placebo/test_security_group_cidr_ingress/ec2.DescribeSecurityGroups_1.json), and one permission with
    /// everything that people add by hand.
    #[test]
    fn a_recorded_answer_reads_as_what_we_want() {
        let recorded = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
        let recorded = recorded.ip_ranges(IpRange::builder().cidr_ip("10.42.1.0/24").build()).build();
        let everything = IpPermission::builder().ip_protocol("-1");
        let everything = everything.ip_ranges(IpRange::builder().cidr_ip("0.0.0.0/0").build()).build();
        let pair = |account: &str, id: &str| UserIdGroupPair::builder().user_id(account).group_id(id).build();
        let by_hand = IpPermission::builder().ip_protocol("udp").from_port(53).to_port(54);
        let by_hand = by_hand.ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").description("oh").build());
        let by_hand = by_hand.prefix_list_ids(PrefixListId::builder().prefix_list_id("pl-1").build());
        let by_hand = by_hand.user_id_group_pairs(pair("644160558196", "sg-1")).user_id_group_pairs(pair("2", "sg-2"));
        let permissions = [recorded, everything, by_hand.build()];
        let texts = texts("644160558196", &permissions);
        let expected = [
            "all 0.0.0.0/0",
            "tcp 443 10.42.1.0/24",
            "udp 53..54 2/sg-2",
            "udp 53..54 ::/0",
            "udp 53..54 pl-1",
            "udp 53..54 sg-1",
        ];
        assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_text_has_a_way_back() {
        for text in ["all 0.0.0.0/0", "tcp 443 sg-1", "udp 53..54 2/sg-2", "icmp 8..-1 ::/0", "50 pl-1"] {
            let back = texts("644160558196", &[permission(text)]);
            assert_eq!(back.into_iter().collect::<Vec<_>>(), [text]);
        }
    }
}
