//! The life of databases: `creating` without an endpoint, `modifying` with pending values, `deleting` after the
//! emulator has forgotten them.

use super::{XmlKind, dress_xml};
use crate::account::{Account, Phase, Thing};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use crate::xml::Element;

const SHAPE: XmlKind = XmlKind {
    kind: "rds.instance",
    id: "DBInstanceIdentifier",
    status: "DBInstanceStatus",
    container: "DBInstances",
    member: "DBInstance",
    describe: "DescribeDBInstances",
    asks: "DBInstanceIdentifier",
};

/// The values that PendingModifiedValues shows until a modify has been applied.
const PENDING: &[&str] = &[
    "DBInstanceClass",
    "AllocatedStorage",
    "MasterUserPassword",
    "BackupRetentionPeriod",
    "MultiAZ",
    "EngineVersion",
    "Iops",
    "StorageType",
    "CACertificateIdentifier",
];

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    dress_xml(account, request, answer, &SHAPE, &put);
}

fn put(element: &mut Element, thing: &Thing) {
    let status = match thing.phase() {
        Phase::Creating => "creating",
        Phase::Modifying => {
            let pending = element.child_or_new("PendingModifiedValues");
            for name in PENDING {
                if let Some(value) = thing.text(&format!("pending.{name}")) {
                    pending.set(name, if *name == "MasterUserPassword" { "****" } else { value });
                }
            }
            // AWS still says `available` in the first seconds. Only the pending values show the change.
            let early = thing.since.elapsed() < (thing.until - thing.since) / 12;
            if early { "available" } else { "modifying" }
        }
        Phase::Deleting => "deleting",
        Phase::Failed => "failed",
        Phase::Ready | Phase::Gone => return,
    };
    element.set("DBInstanceStatus", status);
    if matches!(thing.phase(), Phase::Creating | Phase::Failed) {
        element.remove("Endpoint");
    }
}

/// The seconds of a change. Deletion protection and tags change without a phase.
pub(super) fn modify_seconds(request: &Request, seconds: u64) -> u64 {
    let params = request.params.as_object().into_iter().flatten();
    let immediate = ["Action", "Version", "DBInstanceIdentifier", "ApplyImmediately", "DeletionProtection", "CopyTagsToSnapshot"];
    let real = params.filter(|(name, _)| !immediate.contains(&name.as_str())).count();
    if real == 0 && request.action == "ModifyDBInstance" { 0 } else { seconds }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let phase_of = |param: &str| {
        let id = crate::account::last_part(request.text(param)?);
        account.get(&request.home, "rds.instance", &id).map(|thing| (id, thing.phase()))
    };
    let state = |message: String| Some(fault(400, "InvalidDBInstanceState", message));
    match request.action.as_str() {
        "CreateDBInstance" | "CreateDBInstanceReadReplica" => {
            if let Some((id, Phase::Deleting)) = phase_of("DBInstanceIdentifier") {
                return Some(fault(400, "DBInstanceAlreadyExists", format!("DB instance already exists: {id} is being deleted")));
            }
            match phase_of("SourceDBInstanceIdentifier") {
                Some((id, phase)) if phase != Phase::Ready => state(format!("DB instance {id} is not in the available state.")),
                _ => None,
            }
        }
        "ModifyDBInstance" | "RebootDBInstance" | "PromoteReadReplica" | "CreateDBSnapshot" => {
            match phase_of("DBInstanceIdentifier") {
                Some((id, Phase::Deleting)) => state(format!("Instance {id} is already being deleted.")),
                Some((id, phase)) if phase != Phase::Ready => state(format!("Database instance {id} is not in available state.")),
                _ => None,
            }
        }
        "DeleteDBInstance" => match phase_of("DBInstanceIdentifier") {
            Some((id, Phase::Deleting)) => state(format!("Instance {id} is already being deleted.")),
            Some((id, Phase::Creating)) => state(format!("Instance {id} is currently creating - cannot be deleted.")),
            _ => None,
        },
        _ => None,
    }
}
