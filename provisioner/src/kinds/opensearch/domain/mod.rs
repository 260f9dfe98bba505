//! `opensearch.domain`: a domain for search and logs.
//!
//! A domain is found by name: one list of all names, `DescribeDomains` for at most five at a time, then tags. Names
//! have 3 to 28 characters, in lower case, a letter first (OpenSearch API reference, CreateDomain). AWS takes 15 to 30
//! minutes to make a domain, as long to change its machines (it makes new ones beside the old), seconds for policies,
//! and 15 to 30 minutes to delete it.
//!
//! - `CreateDomain` may change a domain that has the name already, so we look first.
//! - A domain is closed in three ways: TLS only, an access policy that names all who may search, and fine-grained
//!   access under one master role. It is encrypted at rest with the stack's key, and between nodes.
//! - Whether a domain is inside the VPC or public is decided once. Inside, a service-linked role of the account has to
//!   exist: it is made, and never deleted. With more than one node there are as many zones as divide the nodes evenly,
//!   and a subnet for each.
//! - AWS takes no final snapshot of a domain. Its data are a copy: logs whose groups stay.
//! - AWS does not answer the master role. It is in the access policy, and is set again together with it.

mod access;
mod answer;
mod request;

use std::collections::BTreeSet;

use aws_sdk_opensearch::types::{
    DomainStatus, EncryptionAtRestOptions, NodeToNodeEncryptionOptions, TlsSecurityPolicy, VolumeType,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tag_list;
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look, Tags, collect};
use crate::kind::facts::{Facts, Field, Retry, Seconds};
use crate::kind::{Kind, Live, Missing, Outputs, Ref};
use crate::kinds::ec2::{SecurityGroup, Subnet};
use crate::kinds::iam::Role;
use crate::kinds::kms::Key;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::scope::Scope;

pub struct Domain;

#[derive(Serialize, Deserialize)]
pub struct DomainSpec {
    /// The version of the engine, such as `2.19`.
    pub version: String,
    pub class: String,
    pub nodes: u8,
    /// The storage of each node, in GiB.
    pub storage: u32,
    pub kms_key: Ref<Key>,
    /// The master user of fine-grained access, and the first principal of the access policy.
    pub master: Ref<Role>,
    /// The ARNs of further principals that may search, such as an administrator's role.
    pub readers: Vec<String>,
    /// The roles that may search one index and may do nothing else.
    #[serde(default)]
    pub searchers: Vec<Searcher>,
    /// The place inside the VPC, or `None` for a public endpoint. It cannot be changed later.
    pub inside: Option<Inside>,
}

#[derive(Serialize, Deserialize)]
pub struct Searcher {
    /// The ARN of the role.
    pub role: String,
    /// The index. `*` stands for any text.
    pub index: String,
}

#[derive(Serialize, Deserialize)]
pub struct Inside {
    pub subnets: Vec<Ref<Subnet>>,
    pub security_groups: Vec<Ref<SecurityGroup>>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainState {
    pub name: String,
    pub version: String,
    pub class: String,
    pub nodes: i32,
    pub zones: i32,
    pub storage: i32,
    pub volume: String,
    pub inside: bool,
    pub subnets: BTreeSet<String>,
    pub security_groups: BTreeSet<String>,
    pub kms_key: String,
    pub node_to_node: bool,
    pub https: bool,
    pub tls_policy: String,
    pub fine_grained: bool,
    /// Whether there are users with passwords inside the domain. Nobody needs them.
    pub internal_users: bool,
    pub access: Value,
    pub auto_update: bool,
    pub master: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainOutput {
    pub arn: String,
    pub name: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DomainReady {
    /// The host without a scheme.
    pub endpoint: String,
}

/// A field whose change is a blue/green deployment: AWS makes new machines beside the old ones and moves the data. The
/// domain answers all the time.
const fn beside(name: &'static str) -> Field {
    Field::wanted(name).taking(900, 7200).note("AWS makes new nodes beside the old ones: searches go on, slower")
}

/// A field whose change needs no new machines.
const fn quick(name: &'static str) -> Field {
    Field::wanted(name).taking(10, 300)
}

const AT_ONCE: usize = 5;
const EXISTS: &str = "ResourceAlreadyExistsException";
const GONE: &[&str] = &["ResourceNotFoundException"];

impl Kind for Domain {
    const FACTS: Facts = Facts {
        name: "opensearch.domain",
        fields: &[
            Field::fixed("name"),
            // The changes that need new machines are from the OpenSearch developer guide, "Making configuration
            // changes".
            beside("version").note("an upgrade of the engine: it cannot be undone"),
            beside("class"),
            beside("nodes"),
            beside("zones"),
            beside("storage"),
            beside("volume"),
            Field::fixed("inside"),
            beside("subnets"),
            beside("security_groups"),
            Field::fixed("kms_key"),
            Field::fixed("node_to_node"),
            quick("https"),
            quick("tls_policy"),
            beside("fine_grained"),
            quick("internal_users"),
            quick("access"),
            quick("auto_update"),
            Field::theirs("master"),
        ],
        seconds: Seconds { create: 1200, update: 900, delete: 600 },
        holds_data: true,
        no_last_snapshot: true,
        exists: &[EXISTS],
        retry: &[
            Retry::text("error setting policy", 120),
            Retry::text("enable a service-linked role to give Amazon", 300),
            Retry::text("Domain is still being deleted", 1800),
            Retry::text("must be allowed to use the passed role", 120),
            Retry::text("passed role has not propagated yet", 120),
            Retry::text("Authentication error", 120),
            Retry::text("must be authorised to describe", 120),
            Retry::text("passed role must authorize", 120),
            // Until that change is done, AWS takes no other one.
            Retry::text("change/update is in progress", 7200),
        ],
        actions: &[
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
            "es:AddTags",
            "es:CreateDomain",
            "es:DeleteDomain",
            "es:DescribeDomain",
            "es:DescribeDomainChangeProgress",
            "es:DescribeDomains",
            "es:ListDomainNames",
            "es:ListTags",
            "es:RemoveTags",
            "es:UpdateDomainConfig",
            "es:UpgradeDomain",
            "iam:CreateServiceLinkedRole",
            "iam:PassRole",
            "kms:CreateGrant",
            "kms:DescribeKey",
        ],
        ..Facts::DEFAULT
    };

    type Spec = DomainSpec;
    type State = DomainState;
    type Output = DomainOutput;
    type Ready = DomainReady;

    fn want(scope: &Scope, name: &str, spec: &DomainSpec, outputs: &Outputs) -> Result<DomainState, Missing> {
        let domain = domain_name(scope, name);
        let (mut subnets, mut security_groups) = (Vec::new(), BTreeSet::new());
        if let Some(inside) = &spec.inside {
            subnets = outputs.of_each(&inside.subnets, |subnet| subnet.id)?;
            security_groups = outputs.of_each(&inside.security_groups, |group| group.id)?;
        }
        let zones = zones(spec.nodes, spec.inside.as_ref().map_or(3, |inside| inside.subnets.len()));
        subnets.truncate(zones);
        let master = outputs.get(&spec.master)?.arn;
        Ok(DomainState {
            access: access::policy(&scope.arn("es", &format!("domain/{domain}")), &master, spec),
            name: domain,
            version: format!("OpenSearch_{}", spec.version),
            class: spec.class.clone(),
            nodes: i32::from(spec.nodes),
            zones: i32::try_from(zones).unwrap_or(1),
            storage: i32::try_from(spec.storage).unwrap_or(i32::MAX),
            volume: VolumeType::Gp3.as_str().to_owned(),
            inside: spec.inside.is_some(),
            subnets: subnets.into_iter().collect(),
            security_groups,
            kms_key: outputs.get(&spec.kms_key)?.arn,
            node_to_node: true,
            https: true,
            tls_policy: TlsSecurityPolicy::PolicyMinTls12Pfs202310.as_str().to_owned(),
            fine_grained: true,
            internal_users: false,
            auto_update: true,
            master: Some(master),
        })
    }
}

impl OnAws for Domain {
    async fn read(cx: &Cx, query: &Query<'_, Domain>) -> Result<Vec<Live<Domain>>, Error> {
        // The list may not show yet a domain that is wanted, and may not show any more a domain that is being deleted.
        let wanted: Vec<(String, &String)> =
            query.wanted.iter().map(|(name, _)| (domain_name(&cx.scope, name), name)).collect();
        let mut names: BTreeSet<String> = wanted.iter().map(|(domain, _)| domain.clone()).collect();
        let prefix = format!("{}-", cx.scope.prefix());
        let listed = cx.opensearch.list_domain_names().send().await?.domain_names.unwrap_or_default();
        names.extend(listed.into_iter().filter_map(|one| one.domain_name).filter(|name| name.starts_with(&prefix)));
        let names: Vec<String> = names.into_iter().collect();
        let mut domains = Vec::new();
        for some in names.chunks(AT_ONCE) {
            let answer = cx.opensearch.describe_domains().set_domain_names(Some(some.to_vec())).send().await?;
            domains.extend(answer.domain_status_list);
        }
        let named = domains.into_iter().map(|domain| {
            let name = wanted.iter().find(|(name, _)| name == domain.domain_name()).map(|(_, name)| (*name).clone());
            (domain, name)
        });
        collect(named.collect(), |(domain, wanted)| one(cx, domain, wanted, query.look)).await
    }

    async fn create(cx: &Cx, name: &str, want: &DomainState) -> Result<DomainOutput, Error> {
        match cx.opensearch.describe_domain().domain_name(&want.name).send().await.map_err(Error::from) {
            Ok(_) => {
                let message = format!("there is a domain {} already", want.name);
                return Err(Error { code: EXISTS.into(), ..Error::ours(message) });
            }
            Err(error) if error.is(GONE) => {}
            Err(error) => return Err(error),
        }
        if want.inside {
            service_linked_role(cx).await?;
        }
        let mut call = cx
            .opensearch
            .create_domain()
            .domain_name(&want.name)
            .engine_version(&want.version)
            .cluster_config(request::cluster(want))
            .ebs_options(request::volumes(want))
            .encryption_at_rest_options(
                EncryptionAtRestOptions::builder().enabled(true).kms_key_id(&want.kms_key).build(),
            )
            .node_to_node_encryption_options(NodeToNodeEncryptionOptions::builder().enabled(want.node_to_node).build())
            .domain_endpoint_options(request::endpoint(want))
            .advanced_security_options(request::security(want))
            .access_policies(want.access.to_string())
            .software_update_options(request::updates(want));
        if want.inside {
            call = call.vpc_options(request::network(want));
        }
        let call = call.set_tag_list(Some(tag_list(cx.scope.tags(name))?));
        let arn = call.send().await?.domain_status.map(|made| made.arn).filter(|arn| !arn.is_empty());
        let arn = arn.unwrap_or_else(|| cx.scope.arn("es", &format!("domain/{}", want.name)));
        Ok(DomainOutput { arn, name: want.name.clone() })
    }

    async fn update(cx: &Cx, live: &Live<Domain>, want: &DomainState, changed: &Changed) -> Result<(), Error> {
        let access = changed.any(&["access", "fine_grained", "internal_users"]);
        let call = cx
            .opensearch
            .update_domain_config()
            .domain_name(&live.output.name)
            .set_cluster_config(changed.any(&["class", "nodes", "zones"]).then(|| request::cluster(want)))
            .set_vpc_options(changed.any(&["subnets", "security_groups"]).then(|| request::network(want)))
            .set_domain_endpoint_options(changed.any(&["https", "tls_policy"]).then(|| request::endpoint(want)))
            .set_access_policies(access.then(|| want.access.to_string()))
            .set_advanced_security_options(access.then(|| request::security(want)))
            .set_ebs_options(changed.any(&["storage", "volume"]).then(|| request::volumes(want)))
            .set_software_update_options(changed.has("auto_update").then(|| request::updates(want)));
        if changed.0.iter().any(|field| field != "version") {
            call.send().await?;
        }
        // An upgrade is a call of its own. AWS refuses it until the other changes are done, and the engine comes back
        // for it.
        if changed.has("version") {
            let call = cx.opensearch.upgrade_domain().domain_name(&live.output.name);
            call.target_version(&want.version).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, live: &Live<Domain>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.opensearch.delete_domain().domain_name(&live.output.name).send().await, GONE)
    }

    async fn explain(cx: &Cx, live: &Live<Domain>) -> Evidence {
        let mut evidence = Evidence::default();
        let call = cx.opensearch.describe_domain_change_progress().domain_name(&live.output.name);
        let answer = evidence.read("the progress of the change", call.send().await);
        let Some(progress) = answer.and_then(|answer| answer.change_progress_status) else {
            return evidence;
        };
        if let Some(status) = progress.status() {
            let pending = progress.pending_properties().join(", ");
            let pending = if pending.is_empty() { pending } else { format!(", still to come: {pending}") };
            evidence.lines.push(format!("the change is {}{pending}", status.as_str().to_lowercase()));
        }
        for stage in progress.change_progress_stages() {
            let (name, status) = (stage.name().unwrap_or_default(), stage.status().unwrap_or_default());
            let said = stage.description().unwrap_or_default();
            if status.eq_ignore_ascii_case("failed") && !said.is_empty() {
                evidence.cause = Some(format!("{name}: {said}"));
            }
            evidence.lines.push(format!("stage {name}: {status} {said}").trim_end().to_owned());
        }
        evidence
    }
}

fn domain_name(scope: &Scope, name: &str) -> String {
    scope.name(name, 28).to_lowercase()
}

/// The number of zones: as many as there are, if they divide the nodes evenly. AWS refuses three nodes over two zones.
fn zones(nodes: u8, most: usize) -> usize {
    let nodes = usize::from(nodes);
    [3, 2].into_iter().find(|zones| *zones <= most && nodes >= *zones && nodes.is_multiple_of(*zones)).unwrap_or(1)
}

/// Makes the service-linked role, which belongs to the whole account. If the role exists already, the call fails, which
/// is fine. If we may not make the role, the domain's own refusal will say so.
async fn service_linked_role(cx: &Cx) -> Result<(), Error> {
    let call = cx.iam.create_service_linked_role().aws_service_name("opensearchservice.amazonaws.com");
    match call.send().await.map_err(Error::from) {
        Err(error) if error.is(&["InvalidInput", "InvalidInputException"]) || error.is_denied() => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Ok(()),
    }
}

/// The tags of a domain. A domain that has gone meanwhile has none.
async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.opensearch.list_tags().arn(arn).send().await, GONE)?;
    let tags = answer.and_then(|answer| answer.tag_list).unwrap_or_default();
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

async fn one(
    cx: &Cx,
    domain: DomainStatus,
    wanted: Option<String>,
    look: &Look,
) -> Result<Option<Live<Domain>>, Error> {
    let Some((name, owner)) = look.whose(cx, domain.arn(), wanted.as_deref(), tags(cx, domain.arn())).await? else {
        return Ok(None);
    };
    Ok(Some(Live {
        name,
        owner,
        id: domain.arn().to_owned(),
        state: answer::state(&cx.scope, &domain),
        output: DomainOutput { arn: domain.arn().to_owned(), name: domain.domain_name().to_owned() },
        ready: answer::ready(&domain),
        status: answer::status(&domain),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_spread_evenly() {
        assert_eq!([1, 2, 3, 4, 5, 6].map(|nodes| zones(nodes, 3)), [1, 2, 3, 2, 1, 3]);
        assert_eq!([1, 2, 3, 4, 6].map(|nodes| zones(nodes, 2)), [1, 2, 1, 2, 2]);
    }
}
