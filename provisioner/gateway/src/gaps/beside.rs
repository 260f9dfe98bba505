//! Answers the questions about things that others put beside a resource, where an emulator cannot list them. These are
//! function URLs in moto, certificates of listeners in ministack, and the boundaries of roles, which ministack shows
//! only one by one.

use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use crate::upstream::Emulator;
use crate::xml::Element;
use anyhow::Result;
use serde_json::{Value, json};

use super::served_by;

pub(super) async fn before(shared: &Shared, request: &Request) -> Result<Option<Answer>> {
    match (request.action.as_str(), served_by(shared, request)) {
        ("ListFunctionUrlConfigs", Emulator::Moto) => {
            // moto has one URL per function, and answers it by itself and not in a list.
            let target = request.target.split('?').next().unwrap_or_default().replace("/urls", "/url");
            let one = Request { action: "GetFunctionUrlConfig".to_owned(), target, ..request.clone() };
            let found = shared.forward(&one).await?;
            let found: Vec<&Value> = found.json_body().filter(|_| found.ok()).into_iter().collect();
            Ok(Some(Answer::json(request, json!({"FunctionUrlConfigs": found}))))
        }
        ("DescribeListenerCertificates", Emulator::Ministack) => {
            Ok(Some(Answer::xml(request, vec![Element::new("Certificates")])))
        }
        _ => Ok(None),
    }
}

pub(super) async fn after(shared: &Shared, request: &Request, answer: &mut Answer) -> Result<()> {
    if request.action != "GetAccountAuthorizationDetails" || served_by(shared, request) != Emulator::Ministack {
        return Ok(());
    }
    let roles = answer.xml_body_mut().and_then(|root| root.find_mut("RoleDetailList"));
    for role in roles.into_iter().flat_map(|list| &mut list.children) {
        let name = role.children.iter().find(|child| child.name == "RoleName").map(|name| name.text.clone());
        let name = name.unwrap_or_default();
        let body = format!("Action=GetRole&Version=2010-05-08&RoleName={name}");
        let Some(ask) = request.with_body(true, &body) else { continue };
        let one = shared.forward(&ask).await?;
        role.children.extend(one.xml_body().and_then(|root| root.find("PermissionsBoundary")).cloned());
    }
    Ok(())
}
