//! The tools that must be on this machine, those that are missing, and the exact commands that install them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use local::engines::find::{Install, Missing, Places};
use local::engines::{mariadb, redis};
use serde::Serialize;

use super::home::{cache, made};
use crate::sections::Stack;
use crate::sections::search::engine::{self as search, Choice, Search};
use crate::sections::services::local::{self as services, needs_runtime};

#[derive(Debug, Serialize)]
pub(crate) struct Tool {
    pub(crate) what: &'static str,
    /// The sections of a stack file that need the tool.
    pub(crate) needed_for: &'static str,
    /// The place where it was found.
    pub(crate) found: Option<String>,
    /// The exact parts that are missing, if they are more or less than the whole tool. Else `None`.
    pub(crate) lacks: Option<String>,
    /// Whether a stack runs without the tool, with something missing.
    pub(crate) optional: bool,
    /// The commands that install it, as one would type them.
    pub(crate) commands: Vec<String>,
    #[serde(skip)]
    steps: Vec<Step>,
}

#[derive(Clone, Debug)]
enum Step {
    Package(Install),
    /// A static program from a Python package.
    Light,
    /// A real OpenSearch, through Maven.
    OpenSearch,
}

/// The search engine in the Python package index. Its version is pinned, because it has one author and begins with 0.
const LIGHT: &str = "osmem-server==0.1.6";
/// The packages of the Python that fetches `LIGHT`. Debian has the second half of Python's `venv` in a package of its
/// own.
const PYTHON: Install = Install { apt: "python3 python3-venv", brew: "python" };

pub(crate) fn tools() -> anyhow::Result<Vec<Tool>> {
    let places = Places::of_this_machine();
    let mut tools = vec![
        engine("MariaDB", "databases", mariadb(&places)),
        engine("Redis or Valkey", "caches", redis::find(&places, None).map(shown)),
    ];
    tools.push(search_engine(&places)?);
    let runtime = services::find().ok();
    let mut runtime = tool("the runtime", "services, logs", runtime.map(shown), Vec::new());
    if runtime.found.is_none() {
        runtime.commands.push("runtime/build.sh".to_owned());
    }
    tools.push(runtime);
    Ok(tools)
}

/// Installs the missing tools. The commands' own output goes to standard error.
pub(crate) fn install(tools: &[Tool]) -> anyhow::Result<()> {
    let steps: Vec<&Step> = tools.iter().filter(|tool| tool.found.is_none()).flat_map(|tool| &tool.steps).collect();
    let packages: Vec<Install> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Package(install) => Some(*install),
            _ => None,
        })
        .collect();
    if !packages.is_empty() {
        for command in package_commands(&packages)? {
            run(&command)?;
        }
    }
    for step in steps {
        match step {
            Step::Package(_) => {}
            Step::Light => fetch_light().context("fetching the light search engine")?,
            Step::OpenSearch => fetch_opensearch().context("fetching OpenSearch")?,
        }
    }
    Ok(())
}

/// The tools that have commands to install them.
pub(crate) fn installable(tools: &[Tool]) -> Vec<&Tool> {
    tools.iter().filter(|tool| tool.found.is_none() && !tool.steps.is_empty()).collect()
}

/// The tools that this stack needs, for `up`.
pub(crate) fn of_stack(stack: &Stack) -> anyhow::Result<Vec<Tool>> {
    let needs = |section: &str| match section {
        "databases" => !stack.databases.is_empty(),
        "caches" => !stack.caches.is_empty(),
        "search" => !stack.search.is_empty(),
        "services" => needs_runtime(stack),
        _ => false,
    };
    let mut tools = tools()?;
    tools.retain(|tool| tool.needed_for.split(", ").any(needs));
    Ok(tools)
}

fn tool(what: &'static str, needed_for: &'static str, found: Option<String>, steps: Vec<Step>) -> Tool {
    let commands = if found.is_some() { Vec::new() } else { steps.iter().flat_map(words).collect() };
    Tool { what, needed_for, found, lacks: None, optional: false, commands, steps }
}

/// The tool of an engine that comes in a package, with all programs that the engine's own scripts call.
fn engine(what: &'static str, needed_for: &'static str, found: anyhow::Result<String>) -> Tool {
    match found {
        Ok(found) => tool(what, needed_for, Some(found), Vec::new()),
        Err(error) => match error.downcast::<Missing>() {
            Ok(Missing { what: lacks, install }) => {
                let lacks = Some(lacks.trim_end_matches(',').to_owned());
                Tool { lacks, ..tool(what, needed_for, None, vec![Step::Package(install)]) }
            }
            Err(error) => Tool { lacks: Some(format!("{error:#}")), ..tool(what, needed_for, None, Vec::new()) },
        },
    }
}

fn mariadb(places: &Places) -> anyhow::Result<String> {
    let program = mariadb::find(places, &mariadb::Choice::Auto)?;
    Ok(format!("{} ({})", program.server.display(), program.version))
}

/// Whether there is a Python that makes a folder with `pip` in it.
fn has_python(places: &Places) -> bool {
    let Some(python) = places.find(&["python3"]) else { return false };
    let mut asking = Command::new(python);
    asking.args(["-c", "import ensurepip, venv"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asking.status().is_ok_and(|status| status.success())
}

fn search_engine(places: &Places) -> anyhow::Result<Tool> {
    let choice = search::choice()?;
    let found = match search::find(places, choice) {
        Ok(Search::Theirs(url)) => Some(url),
        Ok(Search::Installed(program) | Search::Light(program)) => Some(shown(program)),
        Ok(Search::Fetched { libraries, .. }) => Some(shown(libraries)),
        Ok(Search::None) if choice == Choice::None => Some("none, as PROVISION_SEARCH says".to_owned()),
        Ok(Search::None) | Err(_) => None,
    };
    let steps = match choice {
        Choice::OpenSearch => {
            let missing = |program: &str, install| places.find(&[program]).is_none().then_some(Step::Package(install));
            let packages = [missing("java", search::JAVA), missing("mvn", search::MAVEN)];
            packages.into_iter().flatten().chain([Step::OpenSearch]).collect()
        }
        _ if found.is_some() || has_python(places) => vec![Step::Light],
        _ => vec![Step::Light, Step::Package(PYTHON)],
    };
    let lacks = steps.iter().any(|step| matches!(step, Step::Package(_))) && found.is_none();
    let mut tool = tool("a search engine", "search, logs", found, steps);
    tool.lacks = lacks.then(|| match choice {
        Choice::OpenSearch => "OpenSearch, and the Java or Maven that fetches and runs it".to_owned(),
        _ => "`osmem-server`, and the Python with venv that fetches it".to_owned(),
    });
    tool.optional = choice == Choice::Auto;
    Ok(tool)
}

/// The command for people. If neither package manager is here, it is both.
fn words(step: &Step) -> Vec<String> {
    let cache = || cache().unwrap_or_default();
    match step {
        Step::Package(install) => match package_commands(&[*install]) {
            Ok(commands) => commands.last().map(|command| command.join(" ")).into_iter().collect(),
            Err(_) => vec![
                format!("apt-get install -y --no-install-recommends {}", install.apt),
                format!("brew install {}", install.brew),
            ],
        },
        Step::Light => {
            vec![format!("pip download --no-deps {LIGHT} and its program to {}", cache().join(search::LIGHT).display())]
        }
        Step::OpenSearch => {
            vec![format!("mvn dependency:copy-dependencies to {}", cache().join(search::FETCHED).display())]
        }
    }
}

/// The commands of the package manager that is here.
fn package_commands(packages: &[Install]) -> anyhow::Result<Vec<Vec<String>>> {
    let places = Places::of_this_machine();
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    if places.find(&["apt-get"]).is_some() {
        let sudo = match (rustix::process::geteuid().is_root(), places.find(&["sudo"])) {
            (true, _) => "",
            (false, Some(_)) => "sudo ",
            (false, None) => bail!("installing packages takes root, and there is no sudo"),
        };
        let names: Vec<&str> = packages.iter().map(|package| package.apt).collect();
        let install = format!("{sudo}apt-get install -y -q --no-install-recommends {}", names.join(" "));
        return Ok(vec![words(&format!("{sudo}apt-get update -q")), words(&install)]);
    }
    if places.find(&["brew"]).is_some() {
        let names: Vec<&str> = packages.iter().map(|package| package.brew).collect();
        return Ok(vec![words(&format!("brew install {}", names.join(" ")))]);
    }
    let (apt, brew): (Vec<&str>, Vec<&str>) = packages.iter().map(|package| (package.apt, package.brew)).unzip();
    bail!(
        "there is neither apt-get nor brew here. What is needed: {} (Debian), {} (brew)",
        apt.join(" "),
        brew.join(" ")
    )
}

/// Fetches the light engine. It is there as a whole or not at all.
fn fetch_light() -> anyhow::Result<()> {
    let cache = made(cache()?)?;
    let scratch = cache.join("light.new");
    let _ = std::fs::remove_dir_all(&scratch);
    let venv = shown(scratch.join("venv"));
    run(&["python3".to_owned(), "-m".to_owned(), "venv".to_owned(), venv.clone()])
        .context("it takes Python with venv (on Debian: python3-venv)")?;
    // `venv/bin/pip` will not do: it is a script, and its first line is a path that must not have a space or a quote.
    let pip = [&format!("{venv}/bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"];
    let pip = pip.map(str::to_owned);
    run(&[&pip[..], &["--no-deps".to_owned(), LIGHT.to_owned()]].concat())?;
    let program = program_in(&scratch).context("the package holds no program")?;
    let new = cache.join(format!("{}.new", search::LIGHT));
    std::fs::copy(program, &new)?;
    std::fs::rename(&new, cache.join(search::LIGHT))?;
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// The program itself, and not the script of the same name that calls it.
fn program_in(directory: &Path) -> Option<PathBuf> {
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).ok()?.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let is_large = entry.metadata().is_ok_and(|file| file.len() > 1 << 20);
            match () {
                () if kind.is_dir() => directories.push(entry.path()),
                () if kind.is_file() && is_large && entry.file_name() == search::LIGHT => return Some(entry.path()),
                () => {}
            }
        }
    }
    None
}

fn fetch_opensearch() -> anyhow::Result<()> {
    let home = made(cache()?)?.join(search::FETCHED);
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(home.join("lib"))?;
    let asked = home.join("asked.xml");
    std::fs::write(&asked, search::POM)?;
    let maven = ["mvn", "-q", "-B", "-f", &shown(asked), "dependency:copy-dependencies"].map(str::to_owned);
    let to = format!("-DoutputDirectory={}", home.join("lib").display());
    run(&[&maven[..], &[to]].concat())?;
    // This file is written last. It says that all others are there.
    std::fs::write(home.join("pom.xml"), search::POM)?;
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "the words of another program are talk")]
fn run(words: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().context("an empty command")?;
    let mut command = Command::new(program);
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    let status = command.stdin(Stdio::null()).stdout(std::io::stderr()).status();
    let status = status.with_context(|| format!("`{}`", words.join(" ")))?;
    ensure!(status.success(), "`{}` ended with {status}", words.join(" "));
    Ok(())
}

fn shown(path: PathBuf) -> String {
    path.display().to_string()
}
