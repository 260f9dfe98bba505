//! Roles are found in one of two ways:
//!
//! - For a plan one `GetAccountAuthorizationDetails` shows all roles of the account as a whole: trust, policies, tags,
//!   boundaries. It is not used if the account has too many roles for that, or if we may not ask, or before anything is
//!   changed.
//! - Otherwise one `ListRoles` by our path finds the roles, then three calls for each role read our own policy, the
//!   names of all inline policies, and the attached ones. The rest is asked for by name, because the list does not show
//!   it: others' roles of our names (names are unique, whatever their path), tags, and permissions boundaries where the
//!   stack speaks of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_iam::types::{AttachedPolicy, EntityType, Role as Answer, RoleDetail, Tag};
use serde_json::{Value, json};

use super::{GONE, INLINE, Role, RoleOutput, RoleState, path, role_name};
use crate::aws::{Cx, Error, Proof, Tags, each, policy};
use crate::kind::Live;
use crate::kinds::on_aws::Query;

/// The most pages of an account's roles that are read. If there are more pages, each role is asked for by itself,
/// because most of the pages would be about others' roles.
const MOST_PAGES: usize = 3;
const ROLES_A_PAGE: i32 = 300;

pub(super) async fn all(cx: &Cx, query: &Query<'_, Role>) -> Result<Vec<Live<Role>>, Error> {
    let wanted = query.named(|name, _| role_name(&cx.scope, name));
    if query.look.proof == Proof::Index
        && let Some(details) = details(cx).await?
    {
        return Ok(details.iter().filter_map(|role| of_detail(cx, role, &wanted)).collect());
    }
    let listed = cx.iam.list_roles().path_prefix(path(&cx.scope)).into_paginator().items().send();
    let mut listed: HashMap<String, Answer> =
        listed.try_collect().await?.into_iter().map(|role| (role.role_name.clone(), role)).collect();
    let mut names: BTreeSet<String> = wanted.keys().cloned().collect();
    names.extend(listed.keys().cloned());
    let bounded = query.wanted.iter().filter(|(_, spec)| spec.permissions_boundary.is_some());
    let bounded: BTreeSet<String> = bounded.map(|(name, _)| role_name(&cx.scope, name)).collect();
    // The list has neither tags nor boundaries. If nothing is changed, a role's path proves well enough who owns it.
    let proves_names = query.look.proves_names(cx).await;
    let proven = |role: &String| proves_names && wanted.contains_key(role);
    let enough = |role: &String| proven(role) && !bounded.contains(role);
    let roles: Vec<_> = names.into_iter().map(|role| (listed.remove(&role).filter(|_| enough(&role)), role)).collect();
    let mut live = Vec::new();
    for found in each(roles, |(listed, role)| one(cx, role, listed, &wanted)).await {
        live.extend(found?);
    }
    Ok(live)
}

/// Reads all roles of the account. `None` if there are too many or we may not ask.
async fn details(cx: &Cx) -> Result<Option<Vec<RoleDetail>>, Error> {
    let (mut roles, mut marker) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let call = cx.iam.get_account_authorization_details().filter(EntityType::Role).max_items(ROLES_A_PAGE);
        let answer = match call.set_marker(marker.take()).send().await.map_err(Error::from) {
            Err(error) if error.is_denied() => return Ok(None),
            answer => answer?,
        };
        roles.extend(answer.role_detail_list.unwrap_or_default());
        marker = answer.marker.filter(|_| answer.is_truncated);
        if marker.is_none() {
            return Ok(Some(roles));
        }
    }
    Ok(None)
}

fn of_detail(cx: &Cx, role: &RoleDetail, wanted: &HashMap<String, &str>) -> Option<Live<Role>> {
    let role_name = role.role_name().unwrap_or_default();
    let wanted = wanted.get(role_name).copied();
    let ours = wanted.is_some() || role.path() == Some(&path(&cx.scope));
    let (name, owner) = cx.scope.whose(&tags(role.tags()), wanted).filter(|_| ours)?;
    let state = of_role(role);
    let output = RoleOutput { arn: role.arn().unwrap_or_default().to_owned(), name: state.name.clone() };
    Some(Live::ready((name, owner), output.arn.clone(), state, output))
}

fn of_role(role: &RoleDetail) -> RoleState {
    let boundary = role.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    let inline = role.role_policy_list().iter().map(|inline| {
        let document = policy::parse(inline.policy_document().unwrap_or_default());
        (inline.policy_name().unwrap_or_default().to_owned(), document)
    });
    let (policy, inline_policies) = apart(inline.collect());
    RoleState {
        name: role.role_name().unwrap_or_default().to_owned(),
        path: role.path().unwrap_or_default().to_owned(),
        trust: policy::parse(role.assume_role_policy_document().unwrap_or_default()),
        policy,
        inline_policies,
        managed: role.attached_managed_policies().iter().filter_map(|one| one.policy_arn.clone()).collect(),
        permissions_boundary: Some(boundary.unwrap_or_default().to_owned()),
    }
}

/// Separates our own inline policy from the policies of others.
fn apart(mut inline: BTreeMap<String, Value>) -> (Value, BTreeMap<String, Value>) {
    let ours = inline.remove(INLINE).unwrap_or_else(|| json!({}));
    inline.retain(|name, document| !ends_sessions(name, document));
    (ours, inline)
}

/// Whether this is the policy by which AWS's console ends the sessions of a role. It has this name and only denies (IAM
/// user guide, "Revoke IAM role temporary security credentials"). Without it the sessions would go on, so it stays.
fn ends_sessions(name: &str, document: &Value) -> bool {
    let statements = document["Statement"].as_array();
    name == "AWSRevokeOlderSessions"
        && statements.is_some_and(|all| all.iter().all(|statement| statement["Effect"] == "Deny"))
}

fn tags(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

/// A role with its tags. If the role was listed, its path proves its tags.
async fn with_tags(
    cx: &Cx,
    role: &str,
    listed: Option<Answer>,
    wanted: Option<&str>,
) -> Result<Option<(Answer, Tags)>, Error> {
    if let (Some(found), Some(name)) = (listed, wanted) {
        return Ok(Some((found, cx.scope.tags(name).into_iter().collect())));
    }
    let answer = Error::unless_gone(cx.iam.get_role().role_name(role).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.role).map(|found| {
        let tags = tags(found.tags());
        (found, tags)
    }))
}

async fn one(
    cx: &Cx,
    role: String,
    listed: Option<Answer>,
    wanted: &HashMap<String, &str>,
) -> Result<Option<Live<Role>>, Error> {
    let wanted = wanted.get(&role).copied();
    let shows_boundary = listed.is_none();
    let found = with_tags(cx, &role, listed, wanted);
    let names = cx.iam.list_role_policies().role_name(&role).into_paginator().items().send().try_collect();
    let attached = cx.iam.list_attached_role_policies().role_name(&role).into_paginator().items().send().try_collect();
    let (found, inline, names, attached) = tokio::join!(found, document(cx, &role, INLINE), names, attached);
    let Some((found, tags)) = found? else {
        return Ok(None);
    };
    let Some((name, owner)) = cx.scope.whose(&tags, wanted) else {
        return Ok(None);
    };
    let names: Vec<String> = Error::unless_gone(names, GONE)?.unwrap_or_default();
    let others = names.into_iter().filter(|name| name != INLINE).collect();
    let mut documents: BTreeMap<String, Value> = inline?.map(|ours| (INLINE.to_owned(), ours)).into_iter().collect();
    for other in each(others, async |name: String| Ok((document(cx, &role, &name).await?, name))).await {
        let (document, name): (Option<Value>, String) = other.map_err(|error: Error| error)?;
        documents.extend(document.map(|document| (name, document)));
    }
    let (policy, inline_policies) = apart(documents);
    let attached: Option<Vec<AttachedPolicy>> = Error::unless_gone(attached, GONE)?;
    let boundary = found.permissions_boundary().and_then(|boundary| boundary.permissions_boundary_arn());
    let state = RoleState {
        name: role,
        path: found.path.clone(),
        permissions_boundary: shows_boundary.then(|| boundary.unwrap_or_default().to_owned()),
        trust: policy::parse(found.assume_role_policy_document().unwrap_or_default()),
        policy,
        inline_policies,
        managed: attached.into_iter().flatten().filter_map(|policy| policy.policy_arn).collect(),
    };
    let output = RoleOutput { arn: found.arn, name: state.name.clone() };
    Ok(Some(Live::ready((name, owner), output.arn.clone(), state, output)))
}

async fn document(cx: &Cx, role: &str, name: &str) -> Result<Option<Value>, Error> {
    let answer = cx.iam.get_role_policy().role_name(role).policy_name(name).send().await;
    Ok(Error::unless_gone(answer, GONE)?.map(|answer| policy::parse(&answer.policy_document)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_iam::types::PolicyDetail;

    /// A role in the form of the example of GetAccountAuthorizationDetails in the IAM API reference: its documents are
    /// url-encoded.
    #[test]
    fn what_others_gave_a_role_is_not_ours() {
        let inline = |name: &str, effect: &str| {
            let document = format!(r#"{{"Statement":[{{"Effect":"{effect}","Action":"*","Resource":"*"}}]}}"#);
            let encoded = document.replace('{', "%7B").replace('"', "%22").replace('}', "%7D");
            PolicyDetail::builder().policy_name(name).policy_document(encoded).build()
        };
        let role = RoleDetail::builder()
            .role_name("sendy-dev-task")
            .path("/provision/sendy/dev/")
            .role_policy_list(inline(INLINE, "Deny"))
            .role_policy_list(inline("by-hand", "Allow"))
            .role_policy_list(inline("AWSRevokeOlderSessions", "Deny"))
            .attached_managed_policies(AttachedPolicy::builder().policy_arn("arn:aws:iam::aws:policy/A").build())
            .build();
        let state = of_role(&role);
        assert_eq!(state.inline_policies.keys().collect::<Vec<_>>(), ["by-hand"]);
        assert_eq!(state.inline_policies["by-hand"]["Statement"][0]["Action"], json!(["*"]));
        assert_eq!((&state.policy["Statement"][0]["Effect"], state.managed.len()), (&json!("Deny"), 1));
    }

    #[test]
    fn under_aws_s_name_nothing_is_allowed() {
        let allows = json!({"Statement": [{"Effect": "Deny"}, {"Effect": "Allow"}]});
        assert!(!ends_sessions("AWSRevokeOlderSessions", &allows));
    }
}
