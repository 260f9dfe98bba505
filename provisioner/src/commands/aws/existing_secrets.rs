//! The secrets of the stack file that somebody else made. Every session looks for them. A plan is made only if all of them
//! can be used.

use std::collections::BTreeMap;
use std::path::Path;

use super::session::{Session, login_hint};
use crate::aws::{Cx, Error, each};
use crate::commands::failure::Failure;
use crate::doctor::Finding;
use crate::image::ExistingSecret;
use crate::kinds::secretsmanager::existing::{self, Unusable};
use crate::sections::Loaded;
use crate::yaml::{Problem, below};

/// The secrets that can be used, each under its name or ARN, and a problem for each of the others.
pub(super) async fn find(cx: &Cx, loaded: &Loaded) -> (BTreeMap<String, ExistingSecret>, Vec<Problem>) {
    let wanted: Vec<(&str, &str)> = loaded.stack.existing_secrets().collect();
    let (mut found, mut problems) = (BTreeMap::new(), Vec::new());
    for (name, from, seen) in
        each(wanted, |(name, from)| async move { (name, from, existing::find(cx, from).await) }).await
    {
        let (what, hint) = match seen {
            Ok(Ok(secret)) => {
                found.insert(from.to_owned(), secret);
                continue;
            }
            Ok(Err(Unusable { what, hint })) => (what, hint),
            Err(error) => (format!("looking for the secret `{from}`: {error}"), hint(&error).to_owned()),
        };
        let at = loaded.positions.of(&format!("{}/from", below("/secrets", name)));
        problems.push(Problem::new(at, what).hint(hint));
    }
    (found, problems)
}

/// The hint for a failed look. IAM may refuse a look at a secret that is not there, because no ARN fits it.
fn hint(error: &Error) -> &'static str {
    match error.is_denied() {
        true => "is there such a secret? `provision policy` prints the right to look it up",
        false => login_hint(error),
    }
}

/// Ends a command that would make a plan with a secret that cannot be used.
pub(super) fn all_usable(session: &Session, file: &Path) -> Result<(), Failure> {
    match session.problems.is_empty() {
        true => Ok(()),
        false => Err(Failure::problems(file.display().to_string(), session.problems.clone())),
    }
}

/// The same as findings.
pub(super) fn findings(session: &Session, file: &Path) -> Vec<Finding> {
    let of = |problem: &Problem| {
        let what = format!("{}:{}:{}: {}", file.display(), problem.at.line, problem.at.column, problem.what);
        Finding::stop("secrets", what, problem.hint.clone().unwrap_or_default())
    };
    let problems = session.problems.iter().map(of);
    let seen =
        session.digests.secrets.keys().map(|from| Finding::ok("secrets", format!("the secret `{from}` is there")));
    problems.chain(seen).collect()
}
