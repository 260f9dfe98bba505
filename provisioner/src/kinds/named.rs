//! Finds our resources in the list of a whole account, for services that can only list everything.

use std::collections::HashMap;

use crate::aws::Cx;
use crate::kind::Kind;
use crate::kinds::on_aws::Query;
use crate::scope::Scope;

/// The things in a list that are wanted, each with its name in the stack, and those that may be ours by their prefix.
/// Names are compared in lower case, because some services keep them so.
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
