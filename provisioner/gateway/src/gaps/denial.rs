//! The rights of the caller. No emulator refuses a call on order, encodes the reason of a refusal, or simulates a
//! principal.

use crate::answer::{Answer, Fault, fault};
use crate::request::{Protocol, Request};
use crate::rules::glob;
use crate::server::Shared;
use crate::upstream::ACCOUNT;
use crate::xml::Element;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The caller, in the form of STS.
pub(crate) fn caller() -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/test")
}

/// The action of a request, with IAM's name for the service: `ec2:CreateVpc`.
fn action(request: &Request) -> String {
    let service = match request.service.as_str() {
        "elbv2" => "elasticloadbalancing",
        "opensearch" => "es",
        "resourcegroupstaggingapi" => "tag",
        "service-quotas" => "servicequotas",
        other => other,
    };
    format!("{service}:{}", request.action)
}

/// AWS's refusal for a caller who may not make the call.
pub(crate) fn refusal(denied: &[String], request: &Request) -> Option<Fault> {
    let action = action(request);
    if !denied.iter().any(|pattern| glob(pattern, &action)) {
        return None;
    }
    Some(fault_of(request, &action, "*"))
}

/// AWS's words for an action that no policy allows.
pub(crate) fn fault_of(request: &Request, action: &str, resource: &str) -> Fault {
    let who = caller();
    if request.protocol == Protocol::Ec2 {
        let encoded = URL_SAFE_NO_PAD.encode(decoded(action).to_string());
        let message = format!(
            "You are not authorized to perform this operation. User: {who} is not authorized to perform: {action} because no \
             identity-based policy allows the {action} action. Encoded authorization failure message: {encoded}"
        );
        return fault(403, "UnauthorizedOperation", message);
    }
    let code = if matches!(request.protocol, Protocol::Query) { "AccessDenied" } else { "AccessDeniedException" };
    let message = format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource} because no identity-based policy allows the {action} action"
    );
    fault(if code == "AccessDenied" { 403 } else { 400 }, code, message)
}

fn decoded(action: &str) -> Value {
    json!({
        "allowed": false, "explicitDeny": false, "matchedStatements": {"items": []}, "failures": {"items": []},
        "context": {
            "principal": {"id": "AIDATEST", "name": "test", "arn": caller()}, "action": action,
            "resource": format!("arn:aws:{}:eu-west-1:{ACCOUNT}:*", action.split(':').next().unwrap_or_default()),
            "conditions": {"items": []},
        },
    })
}

pub(super) fn before(shared: &Shared, request: &Request) -> Option<Answer> {
    match request.action.as_str() {
        "DecodeAuthorizationMessage" => Some(decode(request)),
        "SimulatePrincipalPolicy" => Some(simulate(shared, request)),
        _ => None,
    }
}

fn decode(request: &Request) -> Answer {
    let message = request.text("EncodedMessage").and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
    match message.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(message) => Answer::xml(request, vec![Element::with_text("DecodedMessage", &message)]),
        None => Answer::error(request, &fault(400, "InvalidAuthorizationMessageException", "Message is not valid")),
    }
}

fn simulate(shared: &Shared, request: &Request) -> Answer {
    if !request.text("PolicySourceArn").is_some_and(|arn| arn.starts_with("arn:aws:iam::")) {
        return Answer::error(request, &fault(400, "InvalidInput", "Invalid Entity Arn"));
    }
    let denied = shared.state().repairs.denied.clone();
    let mut results = Element::new("EvaluationResults");
    for action in request.list("ActionNames") {
        let is_denied = denied.iter().any(|pattern| glob(pattern, &action));
        let mut member = Element::new("member");
        member.set("EvalActionName", &action);
        member.set("EvalDecision", if is_denied { "implicitDeny" } else { "allowed" });
        member.set("EvalResourceName", "*");
        results.children.push(member);
    }
    Answer::xml(request, vec![results, Element::with_text("IsTruncated", "false")])
}

/// Corrects the ARN of a caller: users belong to IAM, also for STS.
pub(super) fn after(request: &Request, answer: &mut Answer) {
    if request.is("sts", &["GetCallerIdentity"])
        && let Some(arn) = answer.xml_body_mut().and_then(|root| root.find_mut("Arn"))
    {
        arn.text = caller();
    }
}
