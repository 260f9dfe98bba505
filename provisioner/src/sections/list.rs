//! The sections of a stack file. Each is one thing, one folder, and one line here.

use super::aws::making::Expand;
use super::machine::Local;
use super::say::Say;
use super::{
    Loaded, alerts, api, caches, databases, functions, guard, logs, network, queues, search, secrets, services, tables,
    topics,
};

/// One section of a stack file, and what its folder does with it.
pub(crate) struct Section {
    /// The key in the stack file: `caches`.
    pub(crate) key: &'static str,
    /// Tells the mistakes that no JSON Schema finds.
    pub(crate) check: Option<fn(&Loaded, &mut Say<'_>)>,
    /// Adds the resources that the section becomes on AWS.
    pub(crate) aws: Option<Expand>,
    /// How the section runs on this machine.
    pub(crate) local: Option<Local>,
}

/// Every section. A plan shows them in this order if nothing else orders them.
pub(crate) static SECTIONS: &[Section] = &[
    Section {
        key: "topics",
        check: Some(topics::check::check),
        aws: topics::aws::EXPAND,
        local: Some(topics::local::LOCAL),
    },
    Section {
        key: "queues",
        check: Some(queues::check::check),
        aws: queues::aws::EXPAND,
        local: Some(queues::local::LOCAL),
    },
    Section {
        key: "tables",
        check: Some(tables::check::check),
        aws: tables::aws::EXPAND,
        local: Some(tables::local::LOCAL),
    },
    Section { key: "network", check: Some(network::check::check), aws: network::aws::EXPAND, local: None },
    Section {
        key: "databases",
        check: Some(databases::check::check),
        aws: databases::aws::EXPAND,
        local: Some(databases::local::LOCAL),
    },
    Section { key: "caches", check: None, aws: caches::aws::EXPAND, local: Some(caches::local::LOCAL) },
    Section {
        key: "search",
        check: Some(search::check::check),
        aws: search::aws::EXPAND,
        local: Some(search::local::LOCAL),
    },
    Section {
        key: "secrets",
        check: Some(secrets::check::check),
        aws: secrets::aws::EXPAND,
        local: Some(secrets::local::LOCAL),
    },
    Section {
        key: "functions",
        check: Some(functions::check::check),
        aws: functions::aws::EXPAND,
        local: Some(functions::local::LOCAL),
    },
    Section { key: "api", check: Some(api::check::check), aws: None, local: None },
    Section {
        key: "services",
        check: Some(services::check::check),
        aws: services::aws::EXPAND,
        local: Some(services::local::LOCAL),
    },
    Section { key: "logs", check: Some(logs::check::check), aws: logs::aws::EXPAND, local: Some(logs::local::LOCAL) },
    Section { key: "alerts", check: Some(alerts::check::check), aws: alerts::aws::EXPAND, local: None },
    Section { key: "guard", check: Some(guard::check::check), aws: None, local: None },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sections::load::schema;

    /// The keys of a stack file that are not sections. They say what the stack is called, where it is and whose it is.
    const PLAIN: &[&str] = &["account", "environments", "permissions_boundary", "region", "stack", "tags"];

    #[test]
    fn every_key_of_a_stack_file_is_a_section_or_plain() {
        let schema = schema();
        let keys = |pointer: &str| -> BTreeSet<String> {
            let properties = schema.pointer(pointer).and_then(serde_json::Value::as_object).expect("properties");
            properties.keys().cloned().collect()
        };
        let sections = SECTIONS.iter().map(|section| section.key);
        let known: BTreeSet<String> = sections.chain(PLAIN.iter().copied()).map(str::to_owned).collect();
        assert_eq!(known, keys("/properties"));
        assert_eq!(known.len(), SECTIONS.len() + PLAIN.len(), "a section stands there twice");
        // An environment repeats every section but the guard, and has a profile.
        let mut repeated = keys("/$defs/Environment/properties");
        assert!(repeated.remove("profile"));
        repeated.extend(["stack", "environments", "guard"].map(str::to_owned));
        assert_eq!(known, repeated);
    }

    /// Each section has a folder of its name, so that a word in a stack file leads to its code.
    #[test]
    fn every_section_has_its_folder() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sections");
        for section in SECTIONS {
            let folder = here.join(section.key);
            assert!(folder.join("mod.rs").is_file(), "{}", folder.display());
            let has = |part: &str| {
                folder.join(part).with_extension("rs").is_file() || folder.join(part).join("mod.rs").is_file()
            };
            assert_eq!(has("check"), section.check.is_some(), "{}", section.key);
            assert_eq!(has("aws"), section.aws.is_some(), "{}", section.key);
        }
    }
}
