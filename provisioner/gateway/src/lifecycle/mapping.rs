//! The life of event source mappings. Each call starts a transition of some seconds, in which AWS takes no other call.

use crate::account::{Account, Phase, Picture};
use crate::answer::{Answer, Fault, fault};
use crate::request::Request;
use serde_json::{Value, json};

const KIND: &str = "lambda.mapping";

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    match request.action.as_str() {
        "ListEventSourceMappings" => {
            let ghosts = ghosts(account, request);
            let Some(list) = answer.json_body_mut().and_then(|body| body.get_mut("EventSourceMappings")?.as_array_mut()) else {
                return;
            };
            list.extend(ghosts);
            list.iter_mut().for_each(|mapping| put(account, request, mapping));
        }
        "GetEventSourceMapping" if !answer.ok() => {
            let asked = request.text("UUID").unwrap_or_default();
            if let Some(ghost) = ghosts(account, request).into_iter().find(|ghost| ghost["UUID"] == asked) {
                *answer = Answer::json(request, ghost);
            }
        }
        _ if answer.ok() => {
            if let Some(mapping) = answer.json_body_mut() {
                put(account, request, mapping);
            }
        }
        _ => {}
    }
}

/// The mappings that are being deleted, and that the emulator has dropped already.
fn ghosts(account: &Account, request: &Request) -> Vec<Value> {
    let going = account.of_kind(&request.home, KIND).filter(|thing| thing.phase() == Phase::Deleting);
    let ghost = |picture: &Picture| match picture {
        Picture::Json(mapping) => {
            let mut mapping = mapping.clone();
            mapping["State"] = json!("Deleting");
            Some(mapping)
        }
        Picture::Xml(_) => None,
    };
    going.filter_map(|thing| ghost(thing.picture.as_ref()?)).collect()
}

fn put(account: &mut Account, request: &Request, mapping: &mut Value) {
    let Some(thing) = mapping["UUID"].as_str().and_then(|id| account.get_mut(&request.home, KIND, id)) else { return };
    let word = match thing.phase() {
        Phase::Creating => "Creating",
        Phase::Modifying => "Updating",
        Phase::Deleting => "Deleting",
        _ => {
            thing.picture = Some(Picture::Json(mapping.clone()));
            return;
        }
    };
    thing.picture = Some(Picture::Json(mapping.clone()));
    mapping["State"] = json!(word);
}

pub(super) fn guard(account: &Account, request: &Request) -> Option<Fault> {
    if !matches!(request.action.as_str(), "UpdateEventSourceMapping" | "DeleteEventSourceMapping") {
        return None;
    }
    let phase = account.get(&request.home, KIND, request.text("UUID")?)?.phase();
    let message = "Cannot update the event source mapping because it is in use.";
    let moves = matches!(phase, Phase::Creating | Phase::Modifying | Phase::Deleting);
    moves.then(|| fault(400, "ResourceInUseException", message))
}
