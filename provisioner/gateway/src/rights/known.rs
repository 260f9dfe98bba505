//! What IAM and KMS know of resources when they decide: tags, paths and boundaries of roles, policies of keys. It is
//! learned from the calls that passed.

use super::asks;
use super::resources::{IDS, new_of_ec2, of_id, resources};
use crate::answer::Answer;
use crate::request::Request;
use crate::upstream::ACCOUNT;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// KMS counts the tags of a key up to five minutes late (KMS developer guide, "Using tags to control access to KMS
/// keys").
const KEY_TAGS_SECONDS: f64 = 300.0;

#[derive(Debug, Default)]
pub(crate) struct Known {
    tags: BTreeMap<String, BTreeMap<String, String>>,
    /// The path and the boundary of each role.
    roles: BTreeMap<String, (String, Option<String>)>,
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    /// The function of each event source mapping.
    mappings: BTreeMap<String, String>,
    /// The route table and the subnet of each association.
    ties: BTreeMap<String, Vec<String>>,
}

#[derive(Debug)]
struct Key {
    policy: Value,
    /// When KMS begins to count its tags.
    counts: Instant,
}

impl Known {
    /// Puts tags on a resource, as if a call had.
    pub(crate) fn tag(&mut self, arn: &str, key: &str, value: &str) {
        self.tags.entry(arn.to_owned()).or_default().insert(key.to_owned(), value.to_owned());
    }

    pub(crate) fn tags_of(&self, arn: &str) -> BTreeMap<String, String> {
        match self.keys.get(arn) {
            Some(key) if Instant::now() < key.counts => BTreeMap::new(),
            _ => self.tags.get(arn).cloned().unwrap_or_default(),
        }
    }

    pub(crate) fn path_of(&self, role: &str) -> Option<String> {
        Some(self.roles.get(role)?.0.clone())
    }

    pub(crate) fn boundary_of(&self, role: &str) -> Option<String> {
        self.roles.get(role)?.1.clone()
    }

    pub(crate) fn policy_of(&self, key: &str) -> Option<&Value> {
        Some(&self.keys.get(key)?.policy)
    }

    pub(crate) fn key_of(&self, alias: &str) -> Option<String> {
        self.aliases.get(alias).cloned()
    }

    /// The keys that a text names by ARN or by id.
    pub(crate) fn keys_in(&self, text: &str) -> Vec<String> {
        let named = |arn: &&String| text.contains(arn.rsplit('/').next().unwrap_or(arn));
        self.keys.keys().filter(named).cloned().collect()
    }

    pub(crate) fn tied(&self, association: &str) -> Vec<String> {
        self.ties.get(association).cloned().unwrap_or_default()
    }

    pub(crate) fn function_of(&self, mapping: &str) -> Option<String> {
        self.mappings.get(mapping).cloned()
    }

    /// Learns from a call that succeeded.
    pub(crate) fn learn(&mut self, request: &Request, answer: &Answer, scale: f64) {
        let text = String::from_utf8_lossy(&answer.bytes()).into_owned();
        match (request.service.as_str(), request.action.as_str()) {
            ("iam", _) => self.learn_role(request),
            ("kms", _) => self.learn_key(request, &text, scale),
            ("lambda", "CreateEventSourceMapping") => {
                let ids = found(&text, "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").into_iter();
                let functions = found(&text, "arn:aws:lambda:[^\"]*:function:[^\":]+");
                self.mappings.extend(ids.zip(functions));
            }
            ("ec2", "AssociateRouteTable" | "ReplaceRouteTableAssociation") => self.learn_tie(request, &text),
            _ => {}
        }
        if asks::is_tagging(request) {
            let gone = asks::untagged(request);
            let takes =
                request.action.starts_with("Un") || request.action.starts_with("Delete") || request.action.starts_with("Remove");
            for arn in resources(request, self) {
                let tags = self.tags.entry(arn).or_default();
                match takes {
                    true => gone.iter().for_each(|key| drop(tags.remove(key))),
                    false => tags.extend(request.tags()),
                }
            }
        } else if request.write() && !request.tags().is_empty() {
            for arn in self.made(request, &text) {
                self.tags.insert(arn, request.tags().into_iter().collect());
            }
        }
    }

    fn learn_role(&mut self, request: &Request) {
        let Some(name) = request.text("RoleName").map(str::to_owned) else { return };
        let boundary = request.text("PermissionsBoundary").map(str::to_owned);
        match request.action.as_str() {
            "CreateRole" => drop(self.roles.insert(name, (request.text("Path").unwrap_or("/").to_owned(), boundary))),
            "DeleteRole" => drop(self.roles.remove(&name)),
            "PutRolePermissionsBoundary" | "DeleteRolePermissionsBoundary" => {
                self.roles.entry(name).or_default().1 = boundary;
            }
            _ => {}
        }
    }

    fn learn_key(&mut self, request: &Request, text: &str, scale: f64) {
        let policy = || serde_json::from_str(request.text("Policy").unwrap_or_default()).unwrap_or_default();
        match request.action.as_str() {
            "CreateKey" => {
                let counts = Instant::now() + Duration::from_secs_f64(KEY_TAGS_SECONDS / scale);
                for arn in self.made(request, text) {
                    self.keys.insert(arn, Key { policy: policy(), counts });
                }
            }
            "PutKeyPolicy" => {
                for arn in resources(request, self) {
                    if let Some(key) = self.keys.get_mut(&arn) {
                        key.policy = policy();
                    }
                }
            }
            "CreateAlias" | "UpdateAlias" => {
                let target = request.text("TargetKeyId").unwrap_or_default().to_owned();
                let target = self.keys_in(&target).pop().unwrap_or(target);
                self.aliases.insert(request.text("AliasName").unwrap_or_default().to_owned(), target);
            }
            "DeleteAlias" => drop(self.aliases.remove(request.text("AliasName").unwrap_or_default())),
            _ => {}
        }
    }

    fn learn_tie(&mut self, request: &Request, text: &str) {
        let old = request.text("AssociationId").map(|tie| self.tied(tie)).unwrap_or_default();
        let subnet = request.text("SubnetId").map(str::to_owned);
        let subnet = subnet.or_else(|| old.into_iter().find(|id| id.starts_with("subnet-")));
        let tied: Vec<String> = request.text("RouteTableId").map(str::to_owned).into_iter().chain(subnet).collect();
        for tie in found(text, r"rtbassoc-[0-9a-f]+") {
            self.ties.insert(tie, tied.clone());
        }
    }

    /// The ARNs of what a create has made, as its answer says.
    fn made(&self, request: &Request, text: &str) -> Vec<String> {
        let elb = |kind: &str| found(text, &format!("arn:aws:elasticloadbalancing:[^\"<]*:{kind}/[^\"<]+"));
        match (request.service.as_str(), request.action.as_str()) {
            ("ec2", action) => {
                let made = new_of_ec2(action);
                let prefix = IDS.iter().find(|(_, kind)| Some(*kind) == made).map_or("none", |(prefix, _)| prefix);
                let ids = found(text, &format!(r"\b{prefix}-[0-9a-f]+\b")).into_iter();
                ids.map(|id| format!("arn:aws:ec2:{}:{ACCOUNT}:{}", request.region, of_id(&id))).collect()
            }
            ("elbv2", "CreateLoadBalancer") => elb("loadbalancer"),
            ("elbv2", "CreateTargetGroup") => elb("targetgroup"),
            ("elbv2", "CreateListener") => elb("listener"),
            ("elbv2", "CreateRule") => elb("listener-rule"),
            ("kms", _) => found(text, "arn:aws:kms:[^\"]*:key/[^\"]+"),
            ("ecs", "RegisterTaskDefinition") => found(text, "arn:aws:ecs:[^\"]*:task-definition/[^\"]+"),
            ("ecs", "RunTask") => found(text, "arn:aws:ecs:[^\"]*:task/[^\"]+"),
            // The others beside a new database are there already.
            ("rds" | "elasticache", _) => resources(request, self).into_iter().take(1).collect(),
            _ => resources(request, self),
        }
    }
}

fn found(text: &str, pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern of this file");
    pattern.find_iter(text).map(|found| found.as_str().to_owned()).collect()
}
