//! moto computes image digests of its own; ministack says that layers just uploaded are not there.

use super::served_by;
use crate::answer::{Answer, Body};
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
        // Untouched requests go on byte by byte.
        if body != request.params {
            request.body = Bytes::from(body.to_string());
        }
    }
    None
}

pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    let repository = request.text("repositoryName").unwrap_or_default();
    let name = format!("{}/{repository}", request.home);
    if served_by(shared, request) == Emulator::Moto {
        if let (true, Some(manifest)) = (request.action == "PutImage", request.text("imageManifest")) {
            let real = format!("sha256:{}", hex(&Sha256::digest(manifest.as_bytes())));
            if let Some(theirs) = answer.json_text("/image/imageId/imageDigest") {
                shared.state().repairs.digests.insert(real, theirs.to_owned());
            }
        }
        let digests = shared.state().repairs.digests.clone();
        if let Body::Json(body) = &mut answer.body {
            rename(body, &|theirs| digests.iter().find(|(_, d)| *d == theirs).map(|(real, _)| real.clone()));
        }
        return;
    }
    match request.action.as_str() {
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
