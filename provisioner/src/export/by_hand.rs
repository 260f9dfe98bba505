//! The steps that the template does not do, for the person who deploys it. They are printed to stderr, and kept in the
//! template's metadata.

use crate::kind::Kind;
use crate::kinds::{autoscaling, ec2, ecr, ecs, elasticache, kms, lambda, opensearch, rds, secretsmanager, sns};
use crate::plan::desired::Desired;

/// The steps that are left to do.
pub(super) fn steps(desired: &Desired) -> Vec<String> {
    let mut steps = Vec::new();
    let mut when = |there: bool, step: &str| {
        if there {
            steps.push(step.to_owned());
        }
    };
    when(
        has::<ecr::Image>(desired),
        "Before: push the image of the runtime to an ECR repository of this account and region. With ImageUri `none` a first deployment makes the repository; a second one, with the image, makes the services.",
    );
    when(
        has::<lambda::Function>(desired),
        "Before: put a zip with the runtime, named `bootstrap`, into a bucket of this region.",
    );
    when(
        inside(desired),
        "Before, once in an account: aws iam create-service-linked-role --aws-service-name opensearchservice.amazonaws.com",
    );
    when(
        has::<ec2::DefaultSecurityGroup>(desired),
        "After: take the rules out of the default security group of the VPC. Nothing uses it, and CloudFormation cannot empty it.",
    );
    when(
        has::<lambda::Migration>(desired),
        "After, and after each new version of the runtime: call each function whose name ends in `-migrate` (aws lambda invoke). It brings a schema up to date. Until then the functions that use the database answer with errors.",
    );
    when(emails(desired), "After: each e-mail address has to confirm its subscription.");
    when(
        searched(desired),
        "After: fine-grained access knows the master role only. Map other roles to what they may read, as `up` asks for too (_plugins/_security/api/rolesmapping).",
    );
    steps
}

/// The places where the template differs from the work of `up`, and why.
pub(super) fn differences(desired: &Desired) -> Vec<String> {
    let mut differences =
        vec!["Only the tag Name is set, so that `provision` does not take resources of CloudFormation for its own."];
    if has::<secretsmanager::Secret>(desired) {
        differences.push("Secrets Manager makes the passwords. A task reads the current version when it starts: after a new value, start the tasks anew.");
    }
    if has::<ec2::SecurityGroupRules>(desired) {
        differences.push("A security group from which nothing goes out has one rule to 127.0.0.1, because AWS adds a rule for everything to a group without one.");
    }
    if has::<autoscaling::Target>(desired) {
        differences.push("Under autoscaling a service begins with one task, and the scalable target sets the number.");
    }
    if has::<ecs::Service>(desired) {
        differences
            .push("Services wait for everything that they use, a replica too; `up` serves before that is there.");
    }
    if has::<kms::Key>(desired) {
        differences
            .push("Deleting the stack keeps the key, because without it nobody can read the snapshots that are left.");
    }
    if has::<opensearch::Domain>(desired) {
        differences.push("Deleting the stack keeps search domains, of which AWS takes no last snapshot.");
    }
    if has::<rds::Instance>(desired) || has::<elasticache::ReplicationGroup>(desired) {
        differences.push("Deleting the stack takes a last snapshot of databases and caches.");
    }
    differences.into_iter().map(str::to_owned).collect()
}

fn has<K: Kind>(desired: &Desired) -> bool {
    desired.resources().iter().any(|wanted| wanted.address.kind == K::FACTS.name)
}

fn domains(desired: &Desired) -> impl Iterator<Item = opensearch::DomainSpec> {
    let domains = desired.resources().iter().filter(|wanted| wanted.address.kind == opensearch::Domain::FACTS.name);
    domains.filter_map(|wanted| wanted.spec.read().ok())
}

fn inside(desired: &Desired) -> bool {
    domains(desired).any(|domain| domain.inside.is_some())
}

fn searched(desired: &Desired) -> bool {
    domains(desired).any(|domain| !domain.readers.is_empty() || !domain.searchers.is_empty())
}

fn emails(desired: &Desired) -> bool {
    let of = |wanted: &crate::plan::desired::Wanted| wanted.spec.read::<sns::SubscriptionSpec>().ok();
    let subscriptions =
        desired.resources().iter().filter(|wanted| wanted.address.kind == sns::Subscription::FACTS.name);
    subscriptions.filter_map(of).any(|spec| matches!(spec.endpoint, sns::Endpoint::Email(_)))
}
