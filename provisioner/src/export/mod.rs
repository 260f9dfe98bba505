//! A stack as a CloudFormation template, for whoever wants to go on without `provision`.
//!
//! The template comes from the very values that `up` applies: each kind's [`want`](crate::kinds::kind::Kind::want) is asked as
//! usual, but of what it refers to it gets [`tokens`] in the place of ids and ARNs. What it answers, one function per kind
//! turns into resources; at last the tokens become `Ref`, `Fn::GetAtt` and `Fn::Sub`. So a default or a hardening that
//! changes for `up` changes here too, and a field that a kind gains has to be taken, or passed over by name, before it
//! compiles.
//!
//! Account, region and partition are pseudo parameters. What no template can say is in [`by_hand`].

mod autoscaling;
mod by_hand;
mod cloudwatch;
mod ec2;
mod ecr;
mod ecs;
mod elasticache;
mod elbv2;
mod iam;
mod it;
mod kms;
mod lambda;
mod logs;
mod making;
mod names;
mod opensearch;
mod parameters;
mod rds;
mod registry;
mod secretsmanager;
mod sns;
mod sqs;
mod suppressions;
mod template;
mod tokens;
mod yaml;

pub use self::template::Template;

use self::making::Making;
use crate::image::Digests;
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::expand;

#[cfg(test)]
pub(crate) fn has(kind: &str) -> bool {
    registry::find(kind).is_some()
}

/// The template of a stack, offline; or what CloudFormation cannot take, a line each.
pub fn cloudformation(loaded: &Loaded) -> Result<Template, Vec<String>> {
    let scope = Scope::of(loaded, tokens::pseudo("account"), tokens::pseudo("region"));
    let expanded = expand(loaded, &scope, &Digests::default());
    let mut making = Making::new(&scope, &expanded.desired);
    for wanted in expanded.desired.in_order() {
        making.add(wanted);
    }
    let outputs = making.outputs(&expanded.exports);
    let resources = making.finish(&expanded.desired);
    let mut refused = template::dynamic_texts(&resources);
    if resources.len() > template::MOST {
        refused.push(format!("{} resources are more than the {} of a template", resources.len(), template::MOST));
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok(Template {
        description: format!(
            "The environment {} of the stack {}, as `provision up` makes it. Metadata says what is left to do by hand.",
            scope.env, scope.stack
        ),
        by_hand: by_hand::steps(&expanded.desired),
        differences: by_hand::differences(&expanded.desired),
        parameters: parameters::of(&expanded.desired),
        resources,
        outputs,
    })
}
