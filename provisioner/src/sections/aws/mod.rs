//! Expands a stack to the desired resources. It is pure. Each section says in its `aws.rs` which resources it becomes.

pub(crate) mod making;

use self::making::{Export, Making};
use super::Loaded;
use super::list::SECTIONS;
use crate::image::{Digests, Otherwise};
use crate::plan::desired::Desired;
use crate::scope::Scope;

/// The resources of the stack, and those of its outputs that people ask for.
pub struct Expanded {
    pub desired: Desired,
    pub exports: Vec<Export>,
}

pub fn expand(loaded: &Loaded, scope: &Scope, digests: &Digests) -> Expanded {
    let mut making = Making::new(loaded, scope, digests);
    making.main_key();
    for section in SECTIONS {
        if let Some(expand) = section.aws {
            let before = making.desired.resources().len();
            expand(&mut making);
            let made = &making.desired.resources()[before..];
            debug_assert!(made.iter().all(|wanted| wanted.section.starts_with(section.key)), "{}", section.key);
        }
    }
    Expanded { desired: making.desired, exports: making.exports }
}

/// The resources that another stack would become, for the reasons of a plan.
pub fn other(loaded: &Loaded, scope: &Scope, digests: &Digests, otherwise: Otherwise) -> Desired {
    let anew = || Digests { image: "sha256:another".to_owned(), zip: "another".to_owned(), ..digests.clone() };
    match otherwise {
        Otherwise::AsItIs => expand(loaded, scope, digests).desired,
        Otherwise::Rebuilt => expand(loaded, scope, &anew()).desired,
        Otherwise::Rotated => expand(loaded, scope, &rotated(digests)).desired,
        Otherwise::Unbounded => expand(loaded, scope, &Digests { boundary: None, ..digests.clone() }).desired,
    }
}

fn rotated(digests: &Digests) -> Digests {
    let mut digests = digests.clone();
    digests.secrets.values_mut().for_each(|secret| secret.version_id = "another".to_owned());
    digests
}

/// Whether the stack runs the bundled runtime as an image, and whether as a Lambda package.
pub fn needs_runtime(loaded: &Loaded) -> (bool, bool) {
    let stack = &loaded.stack;
    (
        stack.services.values().any(|service| service.role.is_some()),
        stack.shipping().is_some() || !stack.functions.is_empty(),
    )
}
