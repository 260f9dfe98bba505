//! The life of replication groups. They have no endpoint before they are available, and take one change at a time.

use super::{XmlKind, dress_xml};
use crate::account::{Account, Phase, Thing, last_part};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use crate::xml::Element;

const SHAPE: XmlKind = XmlKind {
    kind: "elasticache.replication_group",
    id: "ReplicationGroupId",
    status: "Status",
    container: "ReplicationGroups",
    member: "ReplicationGroup",
    describe: "DescribeReplicationGroups",
    asks: "ReplicationGroupId",
};

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    dress_xml(account, request, answer, &SHAPE, &put);
    if answer.ok()
        && let Some(root) = answer.xml_body_mut()
    {
        // The members follow their group.
        root.walk_mut(&mut |element| {
            let Some(group) = element.at("ReplicationGroupId").map(str::to_lowercase) else { return };
            if element.child("CacheClusterStatus").is_some()
                && let Some(word) = account.get(&request.home, SHAPE.kind, &group).and_then(word)
            {
                element.set("CacheClusterStatus", word);
            }
        });
    }
}

fn word(thing: &Thing) -> Option<&'static str> {
    match thing.phase() {
        Phase::Creating => Some("creating"),
        Phase::Modifying => Some("modifying"),
        Phase::Deleting => Some("deleting"),
        Phase::Failed => Some("create-failed"),
        Phase::Ready | Phase::Gone => None,
    }
}

fn put(element: &mut Element, thing: &Thing) {
    let Some(word) = word(thing) else { return };
    element.set("Status", word);
    if matches!(thing.phase(), Phase::Creating | Phase::Failed) {
        element.remove("NodeGroups");
        element.remove("ConfigurationEndpoint");
    }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let id = last_part(request.text("ReplicationGroupId")?);
    let phase = account.get(&request.home, SHAPE.kind, &id)?.phase();
    match request.action.as_str() {
        "CreateReplicationGroup" if phase == Phase::Deleting => Some(fault(
            400,
            "ReplicationGroupAlreadyExists",
            format!("Replication group {id} already exists: it is being deleted."),
        )),
        "ModifyReplicationGroup"
        | "IncreaseReplicaCount"
        | "DecreaseReplicaCount"
        | "DeleteReplicationGroup"
        | "TestFailover"
            if !(phase == Phase::Ready || phase == Phase::Failed && request.action.starts_with("Delete")) =>
        {
            let message = format!("Replication group {id} is not in available state ({phase:?}).");
            Some(fault(400, "InvalidReplicationGroupState", message))
        }
        _ => None,
    }
}
