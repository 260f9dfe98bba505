//! Makes the access policy of a domain, which says who may call it. Fine-grained access says what they may see in it.

use serde_json::{Value, json};

use super::{DomainSpec, Searcher};
use crate::aws::policy::normal;

pub(super) fn policy(arn: &str, master: &str, spec: &DomainSpec) -> Value {
    let mut who = vec![master.to_owned()];
    who.extend_from_slice(&spec.readers);
    let allow = |who: &[String], action: &str, path: String| json!({"Effect": "Allow", "Principal": {"AWS": who}, "Action": action, "Resource": format!("{arn}/{path}")});
    let mut statements = vec![allow(&who, "es:ESHttp*", "*".to_owned())];
    for Searcher { role, index } in &spec.searchers {
        statements.push(allow(std::slice::from_ref(role), "es:ESHttpPost", format!("{index}/_search")));
    }
    normal(&json!({"Version": "2012-10-17", "Statement": statements}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Ref;

    #[test]
    fn nobody_else_may_search() {
        let spec = DomainSpec {
            version: "2.19".into(),
            class: "t3.small.search".into(),
            nodes: 1,
            storage: 10,
            kms_key: Ref::to("main"),
            master: Ref::to("writer"),
            readers: vec!["arn:reader".into()],
            searchers: vec![Searcher { role: "arn:searcher".into(), index: "a-*".into() }],
            inside: None,
        };
        let allowed = policy("arn:x", "arn:master", &spec);
        assert_eq!(
            allowed["Statement"],
            json!([
                {"Action": ["es:ESHttp*"], "Effect": "Allow", "Principal": {"AWS": ["arn:master", "arn:reader"]}, "Resource": ["arn:x/*"]},
                {"Action": ["es:ESHttpPost"], "Effect": "Allow", "Principal": {"AWS": ["arn:searcher"]}, "Resource": ["arn:x/a-*/_search"]},
            ])
        );
    }
}
