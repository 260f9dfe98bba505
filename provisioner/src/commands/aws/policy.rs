//! `provision policy`: prints the IAM policies that `provision` needs for a stack, offline.

use std::path::Path;

use serde_json::json;

use super::actions::beside_kinds;
use super::session::no_region;
use crate::commands::document::pretty;
use crate::commands::failure::{Exit, Failure};
use crate::commands::load;
use crate::commands::options::{Global, Which};
use crate::image::Digests;
use crate::policy;
use crate::printer::Printer;
use crate::scope::Scope;
use crate::sections::aws::expand;
use crate::sections::secrets::aws::seen_as;

pub(crate) fn policy(file: &Path, global: &Global, which: &Which, printer: Printer) -> Result<Exit, Failure> {
    let loaded = load(file, global)?;
    let region = global.region.clone().or_else(|| loaded.stack.region.clone()).ok_or_else(no_region)?;
    if loaded.stack.account.is_none() {
        printer.talk("the stack file names no `account:`, so the policy is for any");
    }
    let account = loaded.stack.account.clone().unwrap_or_else(|| "*".to_owned());
    let scope = Scope::of(&loaded, account, region);
    let desired = expand(&loaded, &scope, &Digests::default()).desired;
    let others: Vec<String> = loaded.stack.existing_secrets().flat_map(|(_, from)| seen_as(&scope, from)).collect();
    let part = |policies| json!({"version": 1, "stack": scope.stack, "env": scope.env, "policies": policies});
    let document = match which {
        Which { plan: true, .. } => part(policy::of_plan(&scope, &desired, &others)),
        Which { adopt: true, .. } => part(policy::of_adoption(&scope, &desired)),
        Which { boundary: true, .. } => {
            policy::boundary(&scope, &desired).ok_or_else(|| Failure::of("the stack has no roles to bound"))?
        }
        Which { .. } => {
            let policy::Policies { policies, permissions_boundary, permissions_boundary_name, dependent, unbound } =
                policy::policies(&scope, &desired, &beside_kinds(&desired), &others);
            json!({
                "version": 1, "stack": scope.stack, "env": scope.env,
                "policies": policies, "permissions_boundary": permissions_boundary,
                "permissions_boundary_name": permissions_boundary_name, "dependent": dependent, "unbound": unbound,
            })
        }
    };
    printer.document(&pretty(&document));
    Ok(Exit::Done)
}
