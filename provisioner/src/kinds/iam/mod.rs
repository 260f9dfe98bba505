//! AWS IAM.

pub mod boundary;
mod role;

use aws_sdk_iam::types::Tag;

use crate::aws::limits::{Calls, Rate};
use crate::aws::{Cx, Error};
use crate::kinds::service::{Actions, Bound, Dependent, On, Service, TagCalls, Writes, whole};

pub use role::{Resource, Role, RoleOutput, RoleSpec, RoleState, Statement};

pub static SERVICE: Service = Service {
    name: "iam",
    prefix: "iam",
    signs_as: "iam",
    tags: Some(TagCalls {
        put_action: "iam:TagRole",
        remove_action: "iam:UntagRole",
        put: |cx, arn, tags| Box::pin(put_tags(cx, arn, tags)),
        remove: |cx, arn, keys| Box::pin(remove_tags(cx, arn, keys)),
    }),
    rates: &[Rate::of("iam", Calls::All, 30.0, 15.0)],
    // The caller may be a user.
    reads: Some(|scope| {
        vec![boundary::arn(scope), scope.global_arn("iam", "role/*"), scope.global_arn("iam", "user/*")]
    }),
    writes: &[
        Writes::new(Actions::EveryBut(&["iam:CreateServiceLinkedRole", "iam:PassRole"]), &[ROLES], Bound::Name),
        Writes {
            actions: Actions::These(&["iam:PassRole"]),
            on: &[ROLES],
            bound: Bound::Name,
            only_if: &[(
                "StringEquals",
                "iam:PassedToService",
                &["ecs-tasks.amazonaws.com", "lambda.amazonaws.com", "vpc-flow-logs.amazonaws.com"],
            )],
        },
        Writes {
            actions: Actions::These(&["iam:CreateServiceLinkedRole"]),
            on: &[On::NamedBy(|scope, _| scope.global_arn("iam", "role/aws-service-role/*"))],
            bound: Bound::Nothing { because: "a service has one such role for the whole account, and makes it itself" },
            only_if: &[(
                "StringEquals",
                "iam:AWSServiceName",
                &[
                    "ecs.amazonaws.com",
                    "ecs.application-autoscaling.amazonaws.com",
                    "elasticache.amazonaws.com",
                    "elasticloadbalancing.amazonaws.com",
                    "opensearchservice.amazonaws.com",
                    "rds.amazonaws.com",
                ],
            )],
        },
    ],
    for_roles: None,
    on_everything: &["iam:GetAccountAuthorizationDetails", "iam:ListRoles"],
    dependent: &[
        Dependent::on(
            "iam:CreateServiceLinkedRole",
            "the first RDS, ElastiCache, ECS, load balancer or domain of an account",
            "iam",
        ),
        Dependent::on(
            "iam:PassRole",
            "CreateFunction, RegisterTaskDefinition, RunTask and CreateFlowLogs name a role",
            "iam",
        ),
        Dependent::on("iam:TagRole", "CreateRole with tags", "iam"),
    ],
    types: &[],
    section,
    only_ready: "a role is there or not",
};

/// The roles of the stack. They have a path of their own.
const ROLES: On =
    On::NamedBy(|scope, _| scope.global_arn("iam", &format!("role/provision/{}/{}/*", scope.stack, scope.env)));

fn section(resource: &str, _: &str) -> Option<String> {
    match resource {
        "role" => whole("stack"),
        _ => None,
    }
}

fn tag_list(tags: Vec<(String, String)>) -> Result<Vec<Tag>, Error> {
    let tags = tags.into_iter().map(|(key, value)| Ok(Tag::builder().key(key).value(value).build()?));
    tags.collect()
}

async fn put_tags(cx: &Cx, arn: &str, tags: Vec<(String, String)>) -> Result<(), Error> {
    cx.iam.tag_role().role_name(last(arn)).set_tags(Some(tag_list(tags)?)).send().await?;
    Ok(())
}

async fn remove_tags(cx: &Cx, arn: &str, keys: Vec<String>) -> Result<(), Error> {
    cx.iam.untag_role().role_name(last(arn)).set_tag_keys(Some(keys)).send().await?;
    Ok(())
}

/// The name of a role in its ARN: `sendy-dev-task` of `arn:aws:iam::123456789012:role/path/sendy-dev-task`.
fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_role_is_the_last_word_of_its_arn() {
        assert_eq!(last("arn:aws-cn:iam::1:role/a/b"), "b");
    }
}
