//! The life of functions. They are Pending before they are Active, and take one update at a time.

use crate::account::{Account, Phase, Picture, last_part};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use serde_json::{Value, json};

const KIND: &str = "lambda.function";

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    if !answer.ok() {
        return;
    }
    let Some(body) = answer.json_body_mut() else { return };
    let at = if body.get("Configuration").is_some() { "/Configuration" } else { "" };
    let Some(function) = body.pointer_mut(at) else { return };
    let Some(name) = function.get("FunctionName").and_then(Value::as_str).map(last_part) else { return };
    let Some(thing) = account.get_mut(&request.home, KIND, &name) else { return };
    thing.picture = Some(Picture::Json(function.clone()));
    let phase = thing.phase();
    let Some(function) = function.as_object_mut() else { return };
    let (state, update) = match phase {
        Phase::Creating => ("Pending", "InProgress"),
        Phase::Modifying => ("Active", "InProgress"),
        Phase::Failed => ("Failed", "Failed"),
        _ => ("Active", "Successful"),
    };
    function.insert("State".to_owned(), json!(state));
    function.insert("LastUpdateStatus".to_owned(), json!(update));
    if phase == Phase::Failed {
        function.insert("StateReason".to_owned(), json!("failed on order"));
        function.insert("StateReasonCode".to_owned(), json!("InternalError"));
    } else if phase == Phase::Creating {
        function.insert("StateReason".to_owned(), json!("The function is being created."));
        function.insert("StateReasonCode".to_owned(), json!("Creating"));
    }
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    let name = last_part(request.text("FunctionName")?);
    let phase = account.get(&request.home, KIND, &name)?.phase();
    let state = match phase {
        Phase::Creating => "Pending",
        Phase::Modifying => "InProgress",
        _ => return None,
    };
    let refused = match request.action.as_str() {
        "UpdateFunctionCode" | "UpdateFunctionConfiguration" | "PublishVersion" => true,
        "Invoke" => phase == Phase::Creating,
        _ => false,
    };
    let message =
        format!("The operation cannot be performed at this time. The function is currently in the following state: {state}");
    refused.then(|| fault(409, "ResourceConflictException", message))
}
