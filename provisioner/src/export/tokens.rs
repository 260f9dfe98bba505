//! Tokens stand for values that only CloudFormation will know. A token is `<id>|<attribute>` between two characters
//! that no stack file has. Tokens go through the kinds like any id or ARN, alone or inside longer texts, and end as
//! intrinsic functions.

use serde_json::{Map, Value, json};

const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

/// The token for an attribute of a resource. An empty attribute means `Ref`.
pub(super) fn of(id: &str, attribute: &str) -> String {
    format!("{OPEN}{id}|{attribute}{CLOSE}")
}

/// The token for a parameter, or for a pseudo parameter: `account`, `region`. It has no colon, because ARNs are taken
/// apart at colons.
pub(super) fn pseudo(name: &str) -> String {
    format!("{OPEN}{name}{CLOSE}")
}

/// Turns every token in a value into `Ref`, `Fn::GetAtt` or `Fn::Sub`. `known` are further texts that stand for a
/// token.
pub(super) fn resolve(value: &Value, known: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => match known.iter().find(|(known, _)| known == text) {
            Some((_, token)) => intrinsic(token),
            None => intrinsic(text),
        },
        Value::Array(items) => items.iter().map(|item| resolve(item, known)).collect(),
        Value::Object(map) => {
            let resolved: Map<String, Value> =
                map.iter().map(|(key, value)| (key.clone(), resolve(value, known))).collect();
            Value::Object(resolved)
        }
        other => other.clone(),
    }
}

/// Whether a resolved value names the resource.
pub(super) fn refers(value: &Value, id: &str) -> bool {
    match value {
        Value::String(_) => false,
        Value::Array(items) => items.iter().any(|item| refers(item, id)),
        Value::Object(map) => map.iter().any(|(key, value)| match (key.as_str(), value) {
            ("Ref", Value::String(text)) => text == id,
            ("Fn::GetAtt", Value::Array(parts)) => parts.first().is_some_and(|part| part == id),
            ("Fn::Sub", Value::String(text)) => {
                text.contains(&format!("${{{id}}}")) || text.contains(&format!("${{{id}."))
            }
            (_, value) => refers(value, id),
        }),
        _ => false,
    }
}

fn intrinsic(text: &str) -> Value {
    let Some(pieces) = pieces(text) else { return Value::from(text) };
    if let [Piece::Token(token)] = pieces[..] {
        return match token.split_once('|') {
            Some((id, "")) => json!({"Ref": id}),
            Some((id, attribute)) => json!({"Fn::GetAtt": [id, attribute]}),
            None => json!({"Ref": full(token)}),
        };
    }
    let mut sub = String::new();
    // This is the address of a service in a region: `sns.eu-west-1.amazonaws.com`, in another partition
    // `sns.cn-north-1.amazonaws.com.cn`.
    let of_region = format!("${{{}}}", full("region"));
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                let suffix = text.strip_prefix(".amazonaws.com").filter(|_| sub.ends_with(&of_region));
                sub.push_str(if suffix.is_some() { ".${AWS::URLSuffix}" } else { "" });
                let text = suffix.unwrap_or(text);
                sub.push_str(&text.replace("${", "${!").replace("arn:aws:", "arn:${AWS::Partition}:"));
            }
            Piece::Token(token) => match token.split_once('|') {
                Some((id, "")) => sub.push_str(&format!("${{{id}}}")),
                Some((id, attribute)) => sub.push_str(&format!("${{{id}.{attribute}}}")),
                None => sub.push_str(&format!("${{{}}}", full(token))),
            },
        }
    }
    json!({"Fn::Sub": sub})
}

fn full(pseudo: &str) -> &str {
    match pseudo {
        "account" => "AWS::AccountId",
        "region" => "AWS::Region",
        parameter => parameter,
    }
}

enum Piece<'a> {
    Text(&'a str),
    Token(&'a str),
}

/// The pieces of a text. `None` if it has no token.
fn pieces(text: &str) -> Option<Vec<Piece<'_>>> {
    let (mut pieces, mut rest, mut found) = (Vec::new(), text, false);
    while let Some((before, after)) = rest.split_once(OPEN) {
        let Some((token, behind)) = after.split_once(CLOSE) else { break };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Token(token));
        found = true;
        rest = behind;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    found.then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_alone_and_in_a_text() {
        let (reference, attribute) = (of("WorkQueue", ""), of("WorkQueue", "Arn"));
        let arn = format!("arn:aws:sqs:{}:{}:work ${{HOME}}", pseudo("region"), pseudo("account"));
        let resolved = resolve(&json!([reference, attribute, arn, "${HOME}", pseudo("ImageUri"), "arn:aws:x"]), &[]);
        assert_eq!(
            resolved,
            json!([
                {"Ref": "WorkQueue"},
                {"Fn::GetAtt": ["WorkQueue", "Arn"]},
                {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:work ${!HOME}"},
                "${HOME}",
                {"Ref": "ImageUri"},
                "arn:aws:x",
            ])
        );
        let service = resolve(&json!(format!("sns.{}.amazonaws.com", pseudo("region"))), &[]);
        assert_eq!(service, json!({"Fn::Sub": "sns.${AWS::Region}.${AWS::URLSuffix}"}));
        assert!(refers(&resolved, "WorkQueue") && !refers(&resolved, "Work"));
    }
}
