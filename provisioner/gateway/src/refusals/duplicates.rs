//! Second creates of a thing that lives already. AWS makes the second one, or gives the first. The test learns of it
//! under the name `duplicate`.

use super::Verdict;
use crate::account::{Account, Known, known};
use crate::request::Request;

/// Kinds without a name of their own. AWS makes a second one without a word. Our tags show that it is one too many.
const NAMELESS: &[&str] = &[
    "ec2.vpc",
    "ec2.subnet",
    "ec2.internet_gateway",
    "ec2.address",
    "ec2.nat_gateway",
    "ec2.route_table",
    "ec2.endpoint",
    "ec2.flow_log",
    "kms.key",
    "apigatewayv2.api",
];

pub(super) fn judge(account: &Account, request: &Request) -> Option<Verdict> {
    let Some(Known::Create(kind, id)) = known(request) else { return None };
    let notice = |what: &str| Some(Verdict::Notice("duplicate", format!("{kind} {what} exists already")));
    for id in id.asked(request) {
        if account.get(&request.home, kind, &id).is_some_and(|thing| !thing.lingers) {
            return notice(&id);
        }
    }
    let tags = request.tags();
    let tag = |key: &str| tags.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    if NAMELESS.contains(&kind)
        && let (Some(stack), Some(name)) = (tag("provision:stack"), tag("provision:name"))
    {
        let twin = account.of_kind(&request.home, kind).find(|thing| {
            let same = |key: &str, value: &str| thing.tags.get(key).is_some_and(|v| v == value);
            // For a create with the token of an earlier one, AWS gives the first thing again.
            let token = request.text("ClientToken").is_some_and(|token| thing.text("ClientToken") == Some(token));
            same("provision:stack", &stack) && same("provision:name", &name) && !thing.going() && !token
        });
        return twin.and_then(|twin| notice(&format!("{stack}/{name} ({})", twin.id)));
    }
    let named = match request.service.as_str() {
        "elbv2" => request.text("Name"),
        "sns" => request.text("Name"),
        "ec2" if kind == "ec2.security_group" => request.text("GroupName"),
        "iam" if kind == "iam.policy" => request.text("PolicyName"),
        _ => None,
    }?;
    let param = ["Name", "GroupName", "PolicyName"].into_iter().find(|param| request.text(param) == Some(named))?;
    let twin = account
        .of_kind(&request.home, kind)
        .find(|thing| thing.text(param) == Some(named) && !thing.lingers && thing.text("VpcId") == request.text("VpcId"));
    twin.and_then(|_| notice(named))
}
