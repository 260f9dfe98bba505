//! Asked of what the stack expands into, so that defaults count too.

use super::{Guard, Public};
use crate::desired::Wanted;
use crate::expand::{Digests, expand};
use crate::scope::Scope;
use crate::stack::{Loaded, Stack};
use crate::yaml::{Positions, Problem};

/// Of a stack without other problems.
pub(in crate::stack) fn check(loaded: &Loaded, positions: &Positions, problems: &mut Vec<Problem>) {
    let Stack { guard: Some(guard), region, .. } = &loaded.stack else { return };
    if let Some(what) = region.as_deref().and_then(|region| guard.against_region(region)) {
        problems.push(Problem::new(positions.of("/region"), what));
    }
    for key in guard.required_tags.iter().filter(|key| !loaded.stack.tags.contains_key(*key)) {
        let what = format!("`tags` lacks `{key}`, which `guard.required_tags` asks for");
        problems.push(Problem::new(positions.of("/tags"), what));
    }
    let nowhere = Scope::of(loaded, String::new(), region.clone().unwrap_or_default());
    let desired = expand(loaded, &nowhere, &Digests::default()).desired;
    for wanted in desired.resources() {
        let pointer = format!("/{}", wanted.section.replacen('.', "/", 1));
        if let Some(what) = class(guard, wanted) {
            problems.push(Problem::new(positions.of(&format!("{pointer}/class")), what));
        }
        if let Some((what, hint)) = exposed(guard, wanted, loaded) {
            problems.push(Problem::new(positions.key(&pointer), what).hint(hint));
        }
    }
}

fn class(guard: &Guard, wanted: &Wanted) -> Option<String> {
    let class = wanted.spec.get("class");
    let class = class.as_str()?;
    let pattern = guard.forbidden_classes.iter().find(|pattern| fits(pattern, class))?;
    Some(format!("`{}` has the class {class}, which `guard.forbidden_classes` forbids by `{pattern}`", wanted.section))
}

fn exposed(guard: &Guard, wanted: &Wanted, loaded: &Loaded) -> Option<(String, &'static str)> {
    let (sort, word) = match wanted.address.kind {
        "elbv2.load_balancer" => (Public::LoadBalancer, "the load balancer"),
        "opensearch.domain" if wanted.spec.get("inside").is_null() => (Public::Search, "the search domain"),
        _ => return None,
    };
    if guard.public.as_ref().is_some_and(|allowed| !allowed.contains(&sort)) {
        let hint = match sort {
            Public::LoadBalancer => "no service may have `http`",
            Public::Search => "the profile `prod` has it inside the VPC",
        };
        return Some((format!("`guard.public` does not allow {word} to be public"), hint));
    }
    let plain = sort == Public::LoadBalancer && loaded.stack.network.certificate.is_none();
    (guard.https && plain).then(|| {
        ("`guard.https`: the load balancer would answer over plain HTTP".to_owned(), "set `network.certificate`")
    })
}

/// `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, rest)) => match text.strip_prefix(head) {
            None => false,
            Some(tail) => (0..=tail.len()).any(|from| tail.is_char_boundary(from) && fits(rest, &tail[from..])),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, expected) in [
            ("db.t4g.micro", "db.t4g.micro", true),
            ("db.t4g", "db.t4g.micro", false),
            ("*.16xlarge", "db.r6g.16xlarge", true),
            ("db.*.micro", "db.t4g.micro", true),
            ("db.*.micro", "db.t4g.small", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
