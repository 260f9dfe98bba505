//! The identity of a stack: account, region, stack and environment, and every name that follows from them.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use crate::sections::Loaded;

/// The identity of a deployed stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    pub account: String,
    pub region: String,
    pub stack: String,
    pub env: String,
    /// The user's own tags, for every resource.
    pub tags: BTreeMap<String, String>,
}

pub const STACK_TAG: &str = "provision:stack";
pub const NAME_TAG: &str = "provision:name";
pub const VERSION_TAG: &str = "provision:version";
/// The tag that says which of the other tags are from the stack file. Without it nobody would know which tags to remove
/// after they were taken out of the file.
pub const KEYS_TAG: &str = "provision:tags";
/// The character between the keys in that tag. No key may have it.
pub const KEYS_SEPARATOR: char = '=';

/// The most characters of stack and environment together, so that the prefix survives in the tightest name (28
/// characters, an OpenSearch domain) beside a hash.
pub const PREFIX_LIMIT: usize = 18;

/// An account id for a stack whose file says none. Every account id has this length.
const ACCOUNT: &str = "000000000000";
/// The longest name of a region today.
const REGION: &str = "ap-southeast-1";

impl Scope {
    pub fn of(loaded: &Loaded, account: String, region: String) -> Scope {
        let tags = loaded.stack.tags.clone();
        Scope { account, region, stack: loaded.stack.stack.0.clone(), env: loaded.env.clone(), tags }
    }

    /// The scope with the longest names that this stack can have. If the file has no account or region, the longest
    /// ones stand for them. It is for limits that are counted before anything is known of AWS.
    pub(crate) fn widest(loaded: &Loaded) -> Scope {
        let stack = &loaded.stack;
        let account = stack.account.clone().unwrap_or_else(|| ACCOUNT.to_owned());
        Scope::of(loaded, account, stack.region.clone().unwrap_or_else(|| REGION.to_owned()))
    }

    /// The name `sendy-dev-orders`, cut to `limit` characters. The part that is cut is replaced by a hash of the whole
    /// name, so that two long names never meet. The limits of AWS are in the file of each kind.
    pub fn name(&self, name: &str, limit: usize) -> String {
        let whole = format!("{}-{name}", self.prefix());
        if whole.len() <= limit {
            return whole;
        }
        let hash = hex(&Sha256::digest(whole.as_bytes())[..4]);
        let head = whole[..limit - 9].trim_end_matches('-');
        format!("{head}-{hash}")
    }

    /// The beginning of every name: `sendy-dev`.
    pub fn prefix(&self) -> String {
        format!("{}-{}", self.stack, self.env)
    }

    /// The value of the tag `provision:stack`. It has a slash, so that `a-b` in `c` is not `a` in `b-c`.
    pub fn tag(&self) -> String {
        format!("{}/{}", self.stack, self.env)
    }

    /// The tags of every resource. They are in the create call if AWS takes them there.
    pub fn tags(&self, name: &str) -> Vec<(String, String)> {
        let mut tags = vec![
            (STACK_TAG.to_owned(), self.tag()),
            (NAME_TAG.to_owned(), name.to_owned()),
            ("Name".to_owned(), format!("{}-{name}", self.prefix())),
        ];
        tags.extend(self.others());
        tags
    }

    /// The user's own tags, and the tag that says which they are.
    fn others(&self) -> BTreeMap<String, String> {
        let mut others = self.tags.clone();
        if !others.is_empty() {
            let keys: Vec<&str> = self.tags.keys().map(String::as_str).collect();
            others.insert(KEYS_TAG.to_owned(), keys.join(&KEYS_SEPARATOR.to_string()));
        }
        others
    }

    /// The differences in the tags of a resource of ours: key, live value, wanted value. Tags that neither the stack
    /// file nor an earlier one has put there are left alone.
    pub fn retags(&self, live: &BTreeMap<String, String>) -> Vec<(String, Option<String>, Option<String>)> {
        let wanted = self.others();
        let put = live.get(KEYS_TAG).into_iter().flat_map(|keys| keys.split(KEYS_SEPARATOR));
        let mut keys: BTreeSet<&str> = put.chain(wanted.keys().map(String::as_str)).collect();
        keys.extend(live.contains_key(KEYS_TAG).then_some(KEYS_TAG));
        let different = keys.into_iter().filter(|key| live.get(*key) != wanted.get(*key));
        different.map(|key| (key.to_owned(), live.get(key).cloned(), wanted.get(key).cloned())).collect()
    }

    /// An ARN of this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region, self.account)
    }

    /// An ARN of a service without regions, such as IAM.
    pub fn global_arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}::{}:{resource}", self.partition(), self.account)
    }

    /// The partition of the region. A region that nobody knows is in `aws`: an emulator may have any.
    pub fn partition(&self) -> &'static str {
        partition::of(&self.region).map_or("aws", |partition| partition.id)
    }

    /// The address of a service in the region, as in `sns.eu-west-1.amazonaws.com`. The condition `kms:ViaService` and
    /// the principals of a region use it. Principals without a region end with `amazonaws.com` in every partition
    /// (terraform-provider-aws, `service_principal`; aws-cdk, `region-info`).
    pub fn regional(&self, service: &str) -> String {
        let suffix = partition::of(&self.region).map_or("amazonaws.com", |partition| partition.dns_suffix);
        format!("{service}.{}.{suffix}", self.region)
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(stack: &str, env: &str) -> Scope {
        let tags = BTreeMap::new();
        Scope { account: "123456789012".into(), region: "eu-west-1".into(), stack: stack.into(), env: env.into(), tags }
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
    fn tags_of_others_are_theirs() {
        let tags = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let retags = |wanted: &[(&str, &str)], live: &[(&str, &str)]| -> Vec<String> {
            let scope = Scope { tags: tags(wanted), ..scope("a", "b") };
            let retags = scope.retags(&tags(live));
            retags.into_iter().map(|(key, is, wanted)| format!("{key}: {is:?} -> {wanted:?}")).collect()
        };
        let new = retags(&[("team", "core")], &[("theirs", "1")]);
        assert_eq!(new, [r#"provision:tags: None -> Some("team")"#, r#"team: None -> Some("core")"#]);
        let of_both = retags(&[("team", "core")], &[("team", "web"), ("provision:tags", "team"), ("theirs", "1")]);
        assert_eq!(of_both, [r#"team: Some("web") -> Some("core")"#]);
        let gone = retags(&[], &[("team", "web"), ("provision:tags", "team"), ("theirs", "1")]);
        assert_eq!(gone, [r#"provision:tags: Some("team") -> None"#, r#"team: Some("web") -> None"#]);
        assert!(retags(&[], &[("theirs", "1")]).is_empty());
    }

    /// The sources are aws-cdk, `region-info`, for `amazonaws.com.cn`, and AWS's own table for the others.
    #[test]
    fn a_region_has_its_partition() {
        let of = |region: &str| {
            let scope = Scope { region: region.to_owned(), ..scope("a", "b") };
            format!("{} {}", scope.arn("sqs", "work"), scope.regional("logs"))
        };
        let all = partition::PARTITIONS.iter().map(|partition| of(partition.regions[0]));
        insta::assert_snapshot!(all.chain([of("local")]).collect::<Vec<_>>().join("\n"), @r"
        arn:aws:sqs:af-south-1:123456789012:work logs.af-south-1.amazonaws.com
        arn:aws-cn:sqs:cn-north-1:123456789012:work logs.cn-north-1.amazonaws.com.cn
        arn:aws-us-gov:sqs:us-gov-east-1:123456789012:work logs.us-gov-east-1.amazonaws.com
        arn:aws-eusc:sqs:eusc-de-east-1:123456789012:work logs.eusc-de-east-1.amazonaws.eu
        arn:aws-iso:sqs:us-iso-east-1:123456789012:work logs.us-iso-east-1.c2s.ic.gov
        arn:aws-iso-b:sqs:us-isob-east-1:123456789012:work logs.us-isob-east-1.sc2s.sgov.gov
        arn:aws-iso-e:sqs:eu-isoe-west-1:123456789012:work logs.eu-isoe-west-1.cloud.adc-e.uk
        arn:aws-iso-f:sqs:us-isof-east-1:123456789012:work logs.us-isof-east-1.csp.hci.ic.gov
        arn:aws:sqs:local:123456789012:work logs.local.amazonaws.com
        ");
    }

    #[test]
    fn a_dash_does_not_make_two_stacks_one() {
        assert_ne!(scope("a-b", "c").tag(), scope("a", "b-c").tag());
    }
}
