//! What a list of a whole account shows of us, where AWS can only list everything.

use std::collections::HashMap;

use crate::aws::Cx;
use crate::kinds::kind::Kind;
use crate::kinds::on_aws::Query;
use crate::scope::Scope;

/// What is wanted, each with its name in the stack, and what may be ours by its prefix. Services that keep names in lower
/// case answer them so.
pub(crate) fn candidates<K: Kind, T>(
    cx: &Cx,
    query: &Query<'_, K>,
    all: Vec<T>,
    name_of: fn(&T) -> Option<&str>,
    made_name: fn(&Scope, &str) -> String,
) -> Vec<(T, Option<String>)> {
    let prefix = format!("{}-", cx.scope.prefix()).to_lowercase();
    let wanted: HashMap<String, &String> =
        query.wanted.iter().map(|(name, _)| (made_name(&cx.scope, name), name)).collect();
    let named = all.into_iter().filter_map(|thing| {
        let name = name_of(&thing)?.to_lowercase();
        let wanted = wanted.get(&name).map(|name| (*name).clone());
        (wanted.is_some() || name.starts_with(&prefix)).then_some((thing, wanted))
    });
    named.collect()
}
