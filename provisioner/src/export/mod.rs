//! A stack as a CloudFormation template, for users who want to go on without `provision`.
//!
//! The template comes from the very values that `up` applies. Each kind's [`want`](crate::kind::Kind::want) is asked as
//! usual, but it gets [`tokens`] in place of the ids and ARNs that it refers to. One function for each kind turns the
//! answer into resources. At last the tokens become `Ref`, `Fn::GetAtt` and `Fn::Sub`. So if a default or a hardening
//! changes for `up`, it changes here too. A new field of a kind has to be taken, or passed over by name, before this
//! compiles.
//!
//! Account, region and partition are pseudo parameters. [`by_hand`] has the steps that no template can do.

mod apigatewayv2;
mod autoscaling;
mod by_hand;
mod cloudwatch;
mod dynamodb;
mod ec2;
mod ecr;
mod ecs;
mod elasticache;
mod elbv2;
mod events;
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
use crate::scope::Scope;
use crate::sections::Loaded;
use crate::sections::aws::expand;

#[cfg(test)]
pub(crate) fn has(kind: &str) -> bool {
    registry::find(kind).is_some()
}

/// The template of a stack, offline. The error is what CloudFormation cannot take, a line each.
pub fn cloudformation(loaded: &Loaded) -> Result<Template, Vec<String>> {
    let scope = Scope::of(loaded, tokens::pseudo("account"), tokens::pseudo("region"));
    let expanded = expand(loaded, &scope, &parameters::secrets(&scope, &loaded.stack));
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
            "The environment {} of the stack {}, as `provision up` makes it. Metadata has the steps that are left to do by hand.",
            scope.env, scope.stack
        ),
        by_hand: by_hand::steps(&expanded.desired),
        differences: by_hand::differences(&expanded.desired),
        parameters: parameters::of(&expanded.desired, &loaded.stack),
        resources,
        outputs,
    })
}
