//! Images in a registry. moto computes image digests of its own. ministack says that layers which were just uploaded
//! are not there. Both mix up the two errors about an image that exists already.

use super::served_by;
use crate::answer::{Answer, Body, fault};
use crate::request::Request;
use crate::server::Shared;
use crate::upstream::Emulator;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) fn before(shared: &Shared, request: &mut Request) -> Option<Answer> {
    if served_by(shared, request) == Emulator::Moto {
        let digests = shared.state().repairs.digests.clone();
        let mut body = request.params.clone();
        rename(&mut body, &|real| digests.get(real).cloned());
        // An unchanged request goes on byte by byte.
        if body != request.params {
            request.body = Bytes::from(body.to_string());
        }
    }
    None
}

pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    let repository = request.text("repositoryName").unwrap_or_default();
    let name = format!("{}/{repository}", request.home);
    match request.action.as_str() {
        "PutImage" => put_image(shared, request, answer, &name),
        "UploadLayerPart" if answer.ok() => {
            // ministack always says 0.
            if let (Some(last), Some(body)) = (request.params.get("partLastByte"), answer.json_body_mut()) {
                body["lastByteReceived"] = last.clone();
            }
        }
        "CompleteLayerUpload" if answer.ok() => {
            let layers = request.list("layerDigests").into_iter().map(|layer| (name.clone(), layer));
            shared.state().repairs.layers.extend(layers);
        }
        "BatchCheckLayerAvailability" => {
            let known = shared.state().repairs.layers.clone();
            let layers = answer.json_body_mut().and_then(|body| body["layers"].as_array_mut()).into_iter().flatten();
            for layer in layers {
                let digest = layer["layerDigest"].as_str().unwrap_or_default().to_owned();
                if known.contains(&(name.clone(), digest)) {
                    layer["layerAvailability"] = json!("AVAILABLE");
                }
            }
        }
        _ => {}
    }
    if served_by(shared, request) == Emulator::Moto {
        let digests = shared.state().repairs.digests.clone();
        if let Body::Json(body) = &mut answer.body {
            rename(body, &|theirs| digests.iter().find(|(_, d)| *d == theirs).map(|(real, _)| real.clone()));
        }
    }
}

fn put_image(shared: &Shared, request: &Request, answer: &mut Answer, name: &str) {
    let Some(manifest) = request.text("imageManifest") else { return };
    let real = format!("sha256:{}", hex(&Sha256::digest(manifest.as_bytes())));
    let tag = (name.to_owned(), request.text("imageTag").unwrap_or_default().to_owned());
    let mut state = shared.state();
    if let Some(theirs) = answer.json_text("/image/imageId/imageDigest") {
        state.repairs.digests.insert(real.clone(), theirs.to_owned());
        state.repairs.images.insert(tag, real);
    } else if answer.code().is_some_and(|code| code.contains("AlreadyExistsException")) {
        // The emulators mix these two up: the same image again, and another image under an immutable tag.
        let same = state.repairs.images.get(&tag) == Some(&real);
        let code = if same { "ImageAlreadyExistsException" } else { "ImageTagAlreadyExistsException" };
        *answer = Answer::error(request, &fault(400, code, format!("{code}: {} in {}", tag.1, tag.0)));
    }
}

/// Gives every `imageDigest` its other value.
fn rename(value: &mut Value, other: &dyn Fn(&str) -> Option<String>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                match inner {
                    Value::String(text) if name == "imageDigest" => {
                        if let Some(digest) = other(text) {
                            *text = digest;
                        }
                    }
                    inner => rename(inner, other),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| rename(inner, other)),
        _ => {}
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
