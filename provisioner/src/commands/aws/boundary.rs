//! The permissions boundary that the account may have for the stack. If the stack file says nothing of boundaries, the
//! roles get this one.

use std::path::Path;

use super::session::Session;
use crate::aws::Cx;
use crate::commands::failure::Failure;
use crate::kind::Kind;
use crate::kinds::iam::{self, Role};
use crate::plan::desired::Desired;
use crate::printer::Printer;
use crate::sections::Loaded;

/// Whether the roles of the stack get the boundary, if the account has it.
pub(super) fn is_wanted(loaded: &Loaded, desired: &Desired) -> bool {
    let has_roles = desired.resources().iter().any(|wanted| wanted.address.kind == Role::FACTS.name);
    has_roles && loaded.stack.permissions_boundary.is_none()
}

pub(super) async fn is_there(cx: &Cx) -> Result<bool, Failure> {
    let found = iam::boundary::is_there(cx).await;
    found.map_err(|error| Failure::of(format!("looking for the permissions boundary of the stack: {error}")))
}

/// Says before the first change that the account has no boundary for the roles, and how to make it.
pub(super) fn tell(session: &Session, file: &Path, printer: Printer) {
    if session.digests.boundary.is_some() || !is_wanted(&session.loaded, &session.expanded.desired) {
        return;
    }
    let (name, file, env) = (iam::boundary::name(&session.cx.scope), file.display(), &session.loaded.env);
    let print = format!("provision policy {file} --env {env} --boundary");
    let make = format!("aws iam create-policy --policy-name {name} --policy-document \"$({print})\"");
    printer.talk(format!("the roles get no permissions boundary: `{name}` is not seen in this account ({make})"));
}
