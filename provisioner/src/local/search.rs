//! The search engine: one that the user has, else the light one, else none.

use std::path::PathBuf;

use local::engines::find::Places;
use local::supervisor::part::Part;
use local::supervisor::probe::Probe;

pub(super) enum Search {
    /// `OPENSEARCH_URL`: whatever is there is the user's.
    Theirs(String),
    /// <https://pypi.org/project/osmem-server/>: in memory, without ISM.
    Light(PathBuf),
    None,
}

pub(super) fn find(places: &Places) -> Search {
    if let Some(url) = std::env::var("OPENSEARCH_URL").ok().filter(|url| !url.is_empty()) {
        return Search::Theirs(url);
    }
    let fetched = super::cache().ok().map(|cache| cache.join("osmem-server")).filter(|path| path.is_file());
    match places.find(&["osmem-server"]).or(fetched) {
        Some(program) => Search::Light(program),
        None => Search::None,
    }
}

pub(super) fn part(name: &str, program: &PathBuf, port: u16) -> Part {
    let words = ["-addr", &format!("127.0.0.1:{port}"), "-no-stdin-watch", "-no-ja"].map(str::to_owned);
    Part {
        args: words.to_vec(),
        port: Some(port),
        ready: Probe::Http { port, path: "/".to_owned() },
        ..Part::new(name, "search engine in memory", program)
    }
}
