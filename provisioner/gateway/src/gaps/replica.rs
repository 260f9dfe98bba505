//! Read replicas. An emulator makes a copy of the source, whatever the call says. AWS does as the call says.

use super::served_by;
use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use crate::upstream::Emulator;
use anyhow::Result;
use std::fmt::Write;

/// Sends the settings that the emulator forgot once more, as a change of the new replica:
///
/// - the deletion protection, which both emulators take from the source;
/// - the class and the security groups, which ministack takes from the source.
pub(super) async fn after(shared: &Shared, request: &Request, answer: &mut Answer) -> Result<()> {
    let replica = request.text("DBInstanceIdentifier").unwrap_or_default();
    let mut body = format!("Action=ModifyDBInstance&Version=2014-10-31&DBInstanceIdentifier={replica}&ApplyImmediately=true");
    let unprotected = request.flag("DeletionProtection") != Some(true);
    if unprotected {
        body.push_str("&DeletionProtection=false");
    }
    if served_by(shared, request) == Emulator::Ministack {
        if let Some(class) = request.text("DBInstanceClass") {
            write!(body, "&DBInstanceClass={class}")?;
        }
        for (group, number) in request.list("VpcSecurityGroupIds").iter().zip(1..) {
            write!(body, "&VpcSecurityGroupIds.VpcSecurityGroupId.{number}={group}")?;
        }
    }
    if let Some(change) = request.with_body(true, &body) {
        shared.forward(&change).await?;
    }
    if unprotected && let Some(field) = answer.xml_body_mut().and_then(|root| root.find_mut("DeletionProtection")) {
        field.text = "false".to_owned();
    }
    Ok(())
}
