//! The life of a table. It is CREATING for some seconds, in which it takes no items, UPDATING after each change, in which
//! it takes no other, and DELETING for some more.

use crate::account::{Account, Phase, Picture};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use serde_json::{Value, json};

const KIND: &str = "dynamodb.table";

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    let Some(thing) = request.text("TableName").and_then(|name| account.get_mut(&request.home, KIND, name)) else { return };
    if request.action == "DescribeTable"
        && !answer.ok()
        && thing.phase() == Phase::Deleting
        && let Some(Picture::Json(table)) = &thing.picture
    {
        *answer = Answer::json(request, json!({"Table": table}));
    }
    if !answer.ok() {
        return;
    }
    let Some(body) = answer.json_body_mut() else { return };
    for place in ["Table", "TableDescription"] {
        let Some(table) = body.get_mut(place).and_then(Value::as_object_mut) else { continue };
        thing.picture = Some(Picture::Json(Value::Object(table.clone())));
        let word = match thing.phase() {
            Phase::Creating => "CREATING",
            Phase::Deleting => "DELETING",
            Phase::Modifying => "UPDATING",
            _ => continue,
        };
        table.insert("TableStatus".to_owned(), json!(word));
    }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let name = request.text("TableName")?;
    let phase = account.get(&request.home, KIND, name)?.phase();
    let busy = matches!(phase, Phase::Creating | Phase::Deleting);
    let changes = busy || phase == Phase::Modifying;
    match request.action.as_str() {
        "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan" if busy => {
            Some(fault(400, "ResourceNotFoundException", "Requested resource not found"))
        }
        "CreateTable" | "UpdateTimeToLive" | "UpdateContinuousBackups" if busy => Some(in_use(name)),
        "UpdateTable" | "DeleteTable" if changes => Some(in_use(name)),
        _ => None,
    }
}

fn in_use(name: &str) -> Fault {
    fault(400, "ResourceInUseException", format!("Attempt to change a resource which is still in use: Table: {name}"))
}
