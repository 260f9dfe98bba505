//! Whose stack this is: account, region, stack and environment, and every name that follows from them.

use sha2::{Digest, Sha256};

use crate::stack::Loaded;

/// The identity of a deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub account: String,
    pub region: String,
    pub stack: String,
    pub env: String,
}

pub const STACK_TAG: &str = "provision:stack";
pub const NAME_TAG: &str = "provision:name";
pub const VERSION_TAG: &str = "provision:version";

/// Stack and environment together may have this many characters, so that the prefix survives in the tightest name
/// (28 characters, an OpenSearch domain) beside a hash.
pub const PREFIX_LIMIT: usize = 18;

impl Scope {
    pub fn of(loaded: &Loaded, account: String, region: String) -> Scope {
        Scope { account, region, stack: loaded.stack.stack.0.clone(), env: loaded.env.clone() }
    }

    /// `sendy-dev-orders`, cut to `limit` characters. What is cut is replaced by a hash of the whole, so that two long
    /// names never meet. AWS's limits are in each kind's file.
    pub fn name(&self, name: &str, limit: usize) -> String {
        let whole = format!("{}-{name}", self.prefix());
        if whole.len() <= limit {
            return whole;
        }
        let hash = hex(&Sha256::digest(whole.as_bytes())[..4]);
        let head = whole[..limit - 9].trim_end_matches('-');
        format!("{head}-{hash}")
    }

    /// `sendy-dev`, which every name starts with.
    pub fn prefix(&self) -> String {
        format!("{}-{}", self.stack, self.env)
    }

    /// The value of the tag `provision:stack`. With a slash: `a-b` in `c` is not `a` in `b-c`.
    pub fn tag(&self) -> String {
        format!("{}/{}", self.stack, self.env)
    }

    /// The tags of every resource, in the create call wherever AWS takes them there.
    pub fn tags(&self, name: &str) -> Vec<(String, String)> {
        vec![
            (STACK_TAG.to_owned(), self.tag()),
            (NAME_TAG.to_owned(), name.to_owned()),
            ("Name".to_owned(), format!("{}-{name}", self.prefix())),
        ]
    }

    /// An ARN of this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// An ARN of a service without regions, such as IAM.
    pub fn global_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition(), self.account)
    }

    pub fn partition(&self) -> &'static str {
        match &self.region {
            region if region.starts_with("cn-") => "aws-cn",
            region if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(stack: &str, env: &str) -> Scope {
        Scope { account: "123456789012".into(), region: "eu-west-1".into(), stack: stack.into(), env: env.into() }
    }

    #[test]
    fn names_stay_within_the_limit_and_keep_the_prefix() {
        let scope = scope("sendy", "dev");
        let names = [
            scope.name("logs", 28),
            scope.name("reservation", 32),
            scope.name("a-rather-long-name-of-a-queue", 32),
            scope.name("a-rather-long-name-of-a-queuf", 32),
            scope.name("a-rather-long-name-of-a-queue", 80),
            scope.name("a-rather-long-name", 28),
        ];
        insta::assert_snapshot!(names.join("\n"), @r"
        sendy-dev-logs
        sendy-dev-reservation
        sendy-dev-a-rather-long-dd771f64
        sendy-dev-a-rather-long-5dc022ed
        sendy-dev-a-rather-long-name-of-a-queue
        sendy-dev-a-rather-long-name
        ");
    }

    #[test]
    fn a_dash_does_not_make_two_stacks_one() {
        assert_ne!(scope("a-b", "c").tag(), scope("a", "b-c").tag());
    }
}
