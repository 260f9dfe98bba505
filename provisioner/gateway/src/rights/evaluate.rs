//! Decides whether policies allow an action on a resource, as IAM does: a denial wins, and what nothing allows is denied
//! (IAM user guide, "Policy evaluation logic"). It knows the operators that follow, and panics at others, so that no
//! policy passes because a condition was not understood.

use super::Ask;
use serde_json::Value;

pub(crate) fn allows(documents: &[Value], ask: &Ask) -> bool {
    let statements = || documents.iter().flat_map(|document| list(&document["Statement"]));
    let fits = |effect: &str| statements().any(|statement| statement["Effect"] == effect && concerns(statement, ask));
    !fits("Deny") && fits("Allow")
}

/// Whether a statement is about the action and the resource, and its conditions are met.
fn concerns(statement: &Value, ask: &Ask) -> bool {
    let any = |name: &str, text: &str| list(&statement[name]).iter().any(|one| like(one.as_str().unwrap_or_default(), text));
    any("Action", &ask.action) && any("Resource", &ask.resource) && conditions(&statement["Condition"], ask)
}

fn conditions(block: &Value, ask: &Ask) -> bool {
    let operators = block.as_object().into_iter().flatten();
    operators.into_iter().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| condition(operator, ask.context.get(key), &list(wanted)))
    })
}

/// Whether one key meets one operator. Each key of our calls has one value at most.
fn condition(operator: &str, is: Option<&String>, wanted: &[&Value]) -> bool {
    let of_all = operator.strip_prefix("ForAllValues:");
    let single = of_all.unwrap_or(operator);
    let may_lack = single.strip_suffix("IfExists");
    let wanted: Vec<&str> = wanted.iter().map(|one| one.as_str().expect("the values of conditions are texts")).collect();
    if single == "Null" {
        return wanted == [if is.is_some() { "false" } else { "true" }];
    }
    let Some(is) = is else { return of_all.is_some() || may_lack.is_some() };
    let one = |wanted: &&str| match may_lack.unwrap_or(single) {
        "StringEquals" => wanted == is,
        "Bool" => wanted.eq_ignore_ascii_case(is),
        "StringLike" | "ArnLike" | "ArnEquals" => like(wanted, is),
        other => panic!("the condition `{other}` is not known here"),
    };
    wanted.iter().any(one)
}

/// Whether a text fits a pattern. `*` stands for any text, `?` for one character.
fn like(pattern: &str, text: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| text.is_char_boundary(at) && like(rest.as_str(), &text[at..])),
        Some(one) => {
            let mut of_text = text.chars();
            of_text.next().is_some_and(|first| one == '?' || one == first) && like(rest.as_str(), of_text.as_str())
        }
    }
}

/// A policy may write a list of one as its member.
fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().collect(),
        one => vec![one],
    }
}

/// Whether the policy of a key itself names the caller for the action. Then IAM is not asked (KMS developer guide,
/// "Determining access to AWS KMS keys").
pub(crate) fn key_allows(policy: &Value, caller: &str, action: &str) -> bool {
    list(&policy["Statement"]).into_iter().any(|statement| {
        let names = |name: &Value, text: &str| list(name).iter().any(|one| one.as_str() == Some(text));
        statement["Effect"] == "Allow"
            && statement["Condition"].is_null()
            && names(&statement["Principal"]["AWS"], caller)
            && names(&statement["Action"], action)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ask(action: &str, resource: &str, context: &[(&str, &str)]) -> Ask {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Ask { action: action.to_owned(), resource: resource.to_owned(), context }
    }

    fn decided(condition: Value, context: &[(&str, &str)]) -> bool {
        let statement = json!({"Effect": "Allow", "Action": "a:*", "Resource": "r/*", "Condition": condition});
        allows(&[json!({"Statement": [statement]})], &ask("a:Do", "r/1", context))
    }

    #[test]
    fn a_denial_wins_and_silence_denies() {
        let allow = json!({"Effect": "Allow", "Action": ["a:Do"], "Resource": ["*"]});
        let deny = json!({"Effect": "Deny", "Action": ["a:*"], "Resource": ["r/s*"]});
        let both = [json!({"Statement": [allow]}), json!({"Statement": [deny]})];
        let of = |action, resource| allows(&both, &ask(action, resource, &[]));
        assert!(of("a:Do", "r/1") && !of("a:Do", "r/secret") && !of("a:Other", "r/1"));
    }

    #[test]
    fn conditions_as_the_user_guide_says() {
        let equals = json!({"StringEquals": {"k": ["1", "2"]}});
        assert!(decided(equals.clone(), &[("k", "2")]) && !decided(equals.clone(), &[("k", "3")]) && !decided(equals, &[]));
        let may = json!({"StringEqualsIfExists": {"k": "1"}});
        assert!(decided(may.clone(), &[]) && decided(may.clone(), &[("k", "1")]) && !decided(may, &[("k", "2")]));
        let all = json!({"ForAllValues:StringEquals": {"k": "1"}});
        assert!(decided(all.clone(), &[]) && !decided(all, &[("k", "2")]));
        let none = json!({"Null": {"k": "true"}});
        assert!(decided(none.clone(), &[]) && !decided(none, &[("k", "1")]));
        let like = json!({"ArnLike": {"k": "arn:*:policy/b"}, "Bool": {"yes": "true"}});
        assert!(decided(like.clone(), &[("k", "arn:1:policy/b"), ("yes", "true")]));
        assert!(!decided(like, &[("k", "arn:1:policy/b")]), "every key has to fit");
    }

    #[test]
    #[should_panic(expected = "is not known here")]
    fn a_condition_that_nobody_knows_is_no_condition_met() {
        decided(json!({"NumericLessThan": {"k": "1"}}), &[("k", "0")]);
    }
}
