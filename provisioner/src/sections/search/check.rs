//! Checks `search:`.

use crate::sections::Loaded;
use crate::sections::say::Say;

pub(crate) fn check(loaded: &Loaded, say: &mut Say<'_>) {
    for (name, domain) in &loaded.stack.search {
        let zones = u32::from(loaded.stack.network.zones(loaded.profile));
        let nodes = u32::from(domain.nodes(loaded.profile));
        if nodes > 1 && nodes % zones.min(nodes) != 0 && say.sound("/network/zones") {
            say.problem(
                format!("/search/{name}/nodes"),
                format!("{nodes} nodes cannot be spread evenly over {zones} zones"),
                Some(format!("a multiple of {zones}")),
            );
        }
    }
}
