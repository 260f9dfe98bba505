//! Chooses the search engine. A real OpenSearch comes first, if there is one or the user asks for one. The light engine
//! comes next. Else there is none.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use local::engines::find::{Install, Places};
use local::engines::light;
use local::supervisor::part::{Part, Stop, StopSignal};
use local::supervisor::probe::Probe;

use crate::local::home::cache;

#[derive(Clone)]
pub(crate) enum Search {
    /// `OPENSEARCH_URL`: the engine at this address is the user's.
    Theirs(String),
    /// An installation of the user's, from which a node of our own is started. **Never run**: there was none to run it
    /// with.
    Installed(PathBuf),
    /// A node made of ordinary artefacts from a Maven repository.
    Fetched {
        java: PathBuf,
        libraries: PathBuf,
    },
    /// The engine in memory.
    Light(PathBuf),
    None,
}

/// The list of artefacts to fetch. The tests use the same.
pub(crate) const POM: &str = include_str!("../../../../templates/search/opensearch-pom.xml");
pub(crate) const JAVA: Install = Install { apt: "openjdk-17-jre-headless", brew: "openjdk@17" };
pub(crate) const MAVEN: Install = Install { apt: "maven", brew: "maven" };
/// The ports that a node from a Maven repository takes. It takes no others.
pub(crate) const PORTS: std::ops::RangeInclusive<u16> = 9201..=9299;

/// The engine that `PROVISION_SEARCH` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Any engine that is installed. One on a JVM counts only if the user has put it there.
    Auto,
    OpenSearch,
    Light,
    None,
}

pub(crate) fn choice() -> anyhow::Result<Choice> {
    match std::env::var("PROVISION_SEARCH").unwrap_or_default().as_str() {
        "" | "auto" => Ok(Choice::Auto),
        "opensearch" => Ok(Choice::OpenSearch),
        "light" => Ok(Choice::Light),
        "none" => Ok(Choice::None),
        other => bail!("PROVISION_SEARCH is `{other}`, and not auto, opensearch, light or none"),
    }
}

pub(crate) fn find(places: &Places, choice: Choice) -> anyhow::Result<Search> {
    if let Some(url) = std::env::var("OPENSEARCH_URL").ok().filter(|url| !url.is_empty()) {
        return Ok(Search::Theirs(url));
    }
    let cache = cache()?;
    let light = || {
        let fetched = Some(cache.join(LIGHT)).filter(|path| path.is_file());
        places.find(&["osmem-server"]).or(fetched).map(Search::Light)
    };
    match choice {
        Choice::Auto => Ok(installed(places).or_else(light).or_else(|| fetched(places, &cache)).unwrap_or(Search::None)),
        Choice::OpenSearch => installed(places).or_else(|| fetched(places, &cache)).context(
            "PROVISION_SEARCH asks for OpenSearch, and there is none here: `provision doctor --local --install` fetches one",
        ),
        Choice::Light => light().context(
            "PROVISION_SEARCH asks for the light search engine, and there is none here: `provision doctor --local --install` \
             fetches it",
        ),
        Choice::None => Ok(Search::None),
    }
}

/// The name of the light engine's program.
pub(crate) const LIGHT: &str = "osmem-server";
pub(crate) const FETCHED: &str = "opensearch";

impl Search {
    pub(crate) fn note(&self) -> String {
        match self {
            Search::Theirs(url) => format!("logs are searched at {url}, which is yours"),
            Search::Installed(program) => {
                format!(
                    "logs are searched by a node of your own OpenSearch, {}, which was never tried",
                    program.display()
                )
            }
            Search::Fetched { .. } => {
                "logs are searched by OpenSearch on the JVM, without its plugins: nothing deletes \
                                       indexes by age (ISM), and everybody on this machine may read them"
                    .to_owned()
            }
            Search::Light(_) => format!(
                "logs are searched in memory: they are gone when it stops, there are at most {} documents, no ISM. For a real \
                 OpenSearch: OPENSEARCH_URL, or PROVISION_SEARCH=opensearch",
                light::MOST
            ),
            Search::None => {
                "no search engine: logs are files only. `provision doctor --local --install` fetches one, or set \
                             OPENSEARCH_URL"
                    .to_owned()
            }
        }
    }

    /// The processes for one domain. An engine of the user's needs none.
    pub(crate) fn parts(&self, name: &str, port: u16, directory: &Path, provision: &Path) -> Vec<Part> {
        match self {
            Search::Theirs(_) | Search::None => Vec::new(),
            Search::Light(program) => vec![light::part(name, program, port), light::cap_part(name, provision, port)],
            Search::Fetched { java, libraries } => {
                let (class_path, at) = class_path(libraries, directory);
                let mut part = node(name, fetched_node(&class_path, port, directory), java, port, directory);
                part.cwd = at;
                vec![part]
            }
            Search::Installed(program) => {
                let mut part = node(name, installed_node(program, port, directory), program, port, directory);
                part.env.insert("OPENSEARCH_JAVA_OPTS".to_owned(), HEAP.join(" "));
                vec![part]
            }
        }
    }
}

/// The sizes are small, because nobody has many logs on a laptop.
const HEAP: [&str; 4] = ["-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

fn node(name: &str, args: Vec<String>, program: &Path, port: u16, directory: &Path) -> Part {
    Part {
        args,
        cwd: directory.to_owned(),
        port: Some(port),
        // The node answers before it has found its indexes again.
        ready: Probe::Http { port, path: "/_cluster/health?wait_for_status=yellow&timeout=1s".to_owned() },
        // This engine is by far the slowest part.
        ready_within_ms: 110_000,
        stop: Stop { signal: StopSignal::Term, within_ms: 10_000 },
        ..Part::new(name, "search engine, OpenSearch", program)
    }
}

/// The class path of the libraries, and the directory in which Java runs. Java splits a class path at colons. If the
/// libraries' path has a colon in it, Java runs in the directory that holds them, and the class path is relative.
fn class_path(libraries: &Path, directory: &Path) -> (String, PathBuf) {
    let whole = format!("{}/*", libraries.display());
    match (libraries.parent(), libraries.file_name()) {
        (Some(parent), Some(name)) if whole.contains(':') => (format!("{}/*", name.display()), parent.to_owned()),
        _ => (whole, directory.to_owned()),
    }
}

fn fetched_node(class_path: &str, port: u16, directory: &Path) -> Vec<String> {
    // Other nodes on this machine must not join it.
    let cluster = format!("provision-{port}");
    let mut args: Vec<String> = HEAP.map(str::to_owned).to_vec();
    args.extend(["-cp".to_owned(), class_path.to_owned()]);
    args.extend(["org.codelibs.opensearch.runner.OpenSearchRunner", "-numOfNode", "1"].map(str::to_owned));
    args.extend(["-basePath".to_owned(), directory.display().to_string()]);
    // The node takes the port after the one that it is given.
    args.extend(["-baseHttpPort".to_owned(), (port - 1).to_string(), "-clusterName".to_owned(), cluster]);
    args
}

fn installed_node(program: &Path, port: u16, directory: &Path) -> Vec<String> {
    let data = directory.display();
    let mut args = vec![
        format!("-Ecluster.name=provision-{port}"),
        "-Ediscovery.type=single-node".to_owned(),
        "-Enetwork.host=127.0.0.1".to_owned(),
        format!("-Ehttp.port={port}"),
        "-Etransport.port=0".to_owned(),
        format!("-Epath.data={data}/data"),
        format!("-Epath.logs={data}/logs"),
    ];
    let home = program.parent().and_then(Path::parent);
    if home.is_some_and(|home| home.join("plugins/opensearch-security").is_dir()) {
        args.push("-Eplugins.security.disabled=true".to_owned());
    }
    args
}

/// Finds an installation. OpenSearch refuses to run as root.
fn installed(places: &Places) -> Option<Search> {
    if rustix::process::geteuid().is_root() {
        return None;
    }
    let mut places = places.clone();
    let usual = ["/usr/share/opensearch/bin", "/opt/opensearch/bin", "/opt/homebrew/opt/opensearch/bin"];
    places.usual.extend(usual.map(PathBuf::from));
    places.find(&["opensearch"]).map(|program| Search::Installed(program.canonicalize().unwrap_or(program)))
}

fn fetched(places: &Places, cache: &Path) -> Option<Search> {
    let home = cache.join(FETCHED);
    // The file that is written last says that all others are there.
    let is_whole = std::fs::read_to_string(home.join("pom.xml")).is_ok_and(|pom| pom == POM);
    let java = places.find(&["java"]).filter(|_| is_whole)?;
    Some(Search::Fetched { java, libraries: home.join("lib") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_path_is_one_path() {
        let of = |libraries: &str| class_path(Path::new(libraries), Path::new("/data"));
        assert_eq!(of("/a b/lib"), ("/a b/lib/*".to_owned(), PathBuf::from("/data")));
        assert_eq!(of("/a:b/lib"), ("lib/*".to_owned(), PathBuf::from("/a:b")));
    }
}
