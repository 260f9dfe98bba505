//! Checks `api:`.

use crate::sections::Loaded;
use crate::sections::say::Say;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    let Some(api) = &loaded.stack.api else { return };
    if !loaded.stack.has_api() && say.sound("/functions") {
        let what = "no function has `http`, so there is no HTTP API".to_owned();
        say.problem("/api".into(), what, Some("`http: {}` is every request".into()));
    }
    for (index, origin) in api.cors.iter().flat_map(|cors| cors.origins.iter().enumerate()) {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_site = host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ', '*']));
        if origin != "*" && !is_site {
            let what = format!("`{origin}` is not a site");
            say.problem(
                format!("/api/cors/origins/{index}"),
                what,
                Some("http:// or https:// and a host, nothing behind it; or `*`".into()),
            );
        }
    }
}
