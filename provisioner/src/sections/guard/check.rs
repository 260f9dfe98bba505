//! Finds everything in a stack, defaults included, that a guard refuses.

use super::{Guard, Public};
use crate::sections::Loaded;
use crate::sections::say::Say;
use crate::sections::search::Search;
use crate::sections::whereabouts::no_region;
use crate::sections::wildcard::fits;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let Some(guard) = &loaded.stack.guard else { return };
    region(loaded, guard, say);
    tags(loaded, guard, say);
    classes(loaded, guard, say);
    public(loaded, guard, say);
}

impl Loaded {
    /// Why the guard refuses this region, and what was meant. `None` if it does not. The region is one that the file
    /// does not name.
    pub fn against_region(&self, region: &str) -> Option<(String, Option<String>)> {
        let guarded = || self.stack.guard.as_ref()?.against_region(region);
        match no_region(region) {
            Some((what, hint)) => Some((what, Some(hint))),
            None => guarded().map(|what| (what, None)),
        }
    }
}

impl Guard {
    /// Why the guard refuses this region. `None` if it does not.
    fn against_region(&self, region: &str) -> Option<String> {
        let allowed = self.regions.is_empty() || self.regions.iter().any(|allowed| allowed == region);
        (!allowed).then(|| format!("`guard.regions` does not allow {region}, only {}", self.regions.join(", ")))
    }
}

fn region(loaded: &Loaded, guard: &Guard, say: &mut Say<'_>) {
    let refused = loaded.stack.region.as_deref().and_then(|region| guard.against_region(region));
    if let Some(what) = refused.filter(|_| say.sound("/guard/regions")) {
        say.problem("/region".into(), what, None);
    }
}

fn tags(loaded: &Loaded, guard: &Guard, say: &mut Say<'_>) {
    for (index, key) in guard.required_tags.iter().enumerate() {
        let meant = say.sound(&format!("/guard/required_tags/{index}"));
        if meant && !loaded.stack.tags.contains_key(key) {
            let what = format!("`tags` lacks `{key}`, which `guard.required_tags` asks for");
            say.problem("/tags".into(), what, None);
        }
    }
}

fn classes(loaded: &Loaded, guard: &Guard, say: &mut Say<'_>) {
    let profile = loaded.profile;
    let stack = &loaded.stack;
    let databases = stack.databases.iter().map(|(name, one)| ("databases", name, one.class(profile)));
    let caches = stack.caches.iter().map(|(name, one)| ("caches", name, one.class(profile)));
    let search = stack.search.iter().map(|(name, one)| ("search", name, one.class(profile)));
    for (section, name, class) in databases.chain(caches).chain(search) {
        let forbidden = guard.forbidden_classes.iter().enumerate().find(|(_, pattern)| fits(pattern, class));
        if let Some((index, pattern)) = forbidden
            && say.sound(&format!("/guard/forbidden_classes/{index}"))
        {
            let what = format!(
                "`{section}.{name}` has the class {class}, which `guard.forbidden_classes` forbids by `{pattern}`"
            );
            say.problem(format!("/{section}/{name}/class"), what, None);
        }
    }
}

fn public(loaded: &Loaded, guard: &Guard, say: &mut Say<'_>) {
    let stack = &loaded.stack;
    let forbidden = |sort| guard.public.as_ref().is_some_and(|allowed| !allowed.contains(&sort));
    if stack.has_load_balancer() {
        if forbidden(Public::LoadBalancer) {
            let what = "`guard.public` does not allow the load balancer to be public".to_owned();
            say.at_key("/services", what, "no service may have `http`");
        } else if guard.https && stack.network.certificate.is_none() && say.sound("/network/certificate") {
            let what = "`guard.https`: the load balancer would answer over plain HTTP".to_owned();
            say.at_key("/services", what, "set `network.certificate`");
        }
    }
    if forbidden(Public::Search) && !Search::is_inside(loaded.profile) {
        for name in stack.search.keys() {
            let what = "`guard.public` does not allow the search domain to be public".to_owned();
            say.at_key(&format!("/search/{name}"), what, "the profile `prod` has it inside the VPC");
        }
    }
}
