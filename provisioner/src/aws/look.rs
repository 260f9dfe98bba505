//! One look at the account. Data that several kinds need is fetched once.

use std::collections::HashMap;
use std::future::Future;

use aws_sdk_ec2::types::SecurityGroup;
use aws_sdk_resourcegroupstagging::types::TagFilter;
use tokio::sync::OnceCell;

use super::{Cx, Error};
use crate::kind::owner::Owner;
use crate::scope::{KEYS_TAG, STACK_TAG};

pub type Tags = HashMap<String, String>;

/// How sure a read has to be about the owner of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The tag index is enough. A plan that is only shown uses this. The index lags, and anything that it does not know
    /// is asked of the service.
    Index,
    /// Each service itself has to say so. This is for reads before something is changed or deleted.
    Service,
}

pub struct Look {
    pub proof: Proof,
    /// The ARNs of resources that exist beside the wanted ones. `None` means all that the tag index has.
    others: Option<Vec<String>>,
    index: OnceCell<HashMap<String, Tags>>,
    security_groups: OnceCell<Vec<SecurityGroup>>,
    reserves: OnceCell<bool>,
}

impl Look {
    pub fn new(proof: Proof) -> Look {
        Look {
            proof,
            others: None,
            index: OnceCell::new(),
            security_groups: OnceCell::new(),
            reserves: OnceCell::new(),
        }
    }

    /// A look at the wanted resources and at these others, with the proof of each service.
    pub fn closely(others: Vec<String>) -> Look {
        Look { others: Some(others), ..Look::new(Proof::Service) }
    }

    /// The tags of a resource, by its ARN, for [`Scope::whose`](crate::scope::Scope::whose). Calls `ask` only where the
    /// tag index has no answer. If the index shows no resource of this type at all, it does not have the type. Then a
    /// resource with a wanted name is taken for ours. This is safe, since nothing is changed before the service itself
    /// has been asked.
    pub async fn tags<F>(&self, cx: &Cx, arn: &str, wanted: Option<&str>, ask: F) -> Result<Tags, Error>
    where
        F: Future<Output = Result<Tags, Error>>,
    {
        match self.known(cx, arn, wanted).await {
            Some(tags) => Ok(tags),
            None => ask.await,
        }
    }

    /// The owner of a resource by its tags, as [`Look::tags`] and [`Scope::whose`](crate::scope::Scope::whose) say.
    pub async fn whose<F>(
        &self,
        cx: &Cx,
        arn: &str,
        wanted: Option<&str>,
        ask: F,
    ) -> Result<Option<(String, Owner)>, Error>
    where
        F: Future<Output = Result<Tags, Error>>,
    {
        Ok(cx.scope.whose(&self.tags(cx, arn, wanted, ask).await?, wanted))
    }

    /// The tags of a resource, if they are known without a call to its service.
    pub async fn known(&self, cx: &Cx, arn: &str, wanted: Option<&str>) -> Option<Tags> {
        if self.proof == Proof::Service {
            return None;
        }
        let index = self.index(cx).await;
        let has_type = || index.keys().any(|other| sort(other) == sort(arn));
        match (index.get(arn), wanted) {
            // The tag may have been changed a moment ago, so the service is asked.
            (Some(tags), _) => Some(tags).filter(|tags| !is_retagged(cx, tags)).cloned(),
            (None, Some(name)) if !has_type() && self.proves_names(cx).await => {
                Some(cx.scope.tags(name).into_iter().collect())
            }
            (None, _) => None,
        }
    }

    /// Whether a name alone may stand for the tags, where nothing is changed before the service has been asked. It may
    /// only while the tags say nothing but who owns the resource.
    pub async fn proves_names(&self, cx: &Cx) -> bool {
        let tagged = || async { self.index(cx).await.values().any(|tags| tags.contains_key(KEYS_TAG)) };
        self.proof == Proof::Index && cx.scope.tags.is_empty() && !tagged().await
    }

    /// The ARNs of a type that the tag index has, if it has that type and may be trusted. Then nothing else has to be
    /// listed.
    pub async fn all(&self, cx: &Cx, of: &str) -> Option<Vec<String>> {
        if self.proof == Proof::Service {
            return None;
        }
        Some(self.tagged(cx, of).await).filter(|arns| !arns.is_empty())
    }

    /// The ARNs that the tag index has for this stack, of a service or of one of its types (`lambda:function`). The
    /// index lags and lists deleted resources, so each ARN is a hint that its own service has to confirm. If the index
    /// may not be read, there are no hints. A look that names its resources does not ask the index.
    pub async fn tagged(&self, cx: &Cx, of: &str) -> Vec<String> {
        let (service, kind) = of.split_once(':').unwrap_or((of, ""));
        let wanted = |arn: &&String| {
            let (its_service, resource) = parts(arn);
            its_service == service && resource.starts_with(kind)
        };
        match &self.others {
            Some(others) => others.iter().filter(wanted).cloned().collect(),
            None => self.index(cx).await.keys().filter(wanted).cloned().collect(),
        }
    }

    /// The security groups with this stack's tag. Two kinds need them: groups, and their rules.
    pub async fn security_groups<F>(&self, ask: F) -> Result<&[SecurityGroup], Error>
    where
        F: Future<Output = Result<Vec<SecurityGroup>, Error>>,
    {
        Ok(self.security_groups.get_or_try_init(|| ask).await?)
    }

    /// Whether a function of the account may have reserved concurrency. If none has, nobody has to ask each function. A
    /// look before a change does not rely on that.
    pub async fn may_reserve<F>(&self, has_reserved: F) -> bool
    where
        F: Future<Output = Result<bool, Error>>,
    {
        self.proof == Proof::Service
            || *self.reserves.get_or_init(|| async { has_reserved.await.unwrap_or(true) }).await
    }

    async fn index(&self, cx: &Cx) -> &HashMap<String, Tags> {
        self.index.get_or_init(|| read_index(cx)).await
    }
}

fn is_retagged(cx: &Cx, tags: &Tags) -> bool {
    let tags = tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    !cx.scope.retags(&tags).is_empty()
}

async fn read_index(cx: &Cx) -> HashMap<String, Tags> {
    let filter = TagFilter::builder().key(STACK_TAG).values(cx.scope.tag()).build();
    let mut pages = cx.tagging.get_resources().tag_filters(filter).resources_per_page(100).into_paginator().send();
    let mut index = HashMap::new();
    while let Some(Ok(page)) = pages.next().await {
        for found in page.resource_tag_mapping_list.unwrap_or_default() {
            let tags = found.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value));
            index.extend(found.resource_arn.map(|arn| (arn, tags.collect())));
        }
    }
    index
}

/// The service and the type in an ARN: `("logs", "log-group")` for `arn:aws:logs:…:log-group:/a`. Topics and queues
/// have no type in front of their name.
fn sort(arn: &str) -> (&str, &str) {
    let (service, resource) = parts(arn);
    (service, resource.split_once([':', '/']).map_or("", |(kind, _)| kind))
}

fn parts(arn: &str) -> (&str, &str) {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    (service, parts.nth(2).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_arn() {
        let of = |arn| sort(arn);
        assert_eq!(of("arn:aws:logs:eu-west-1:1:log-group:/a/b"), ("logs", "log-group"));
        assert_eq!(
            of("arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/a/b"),
            ("elasticloadbalancing", "targetgroup")
        );
        assert_eq!(of("arn:aws:sqs:eu-west-1:1:a"), ("sqs", ""));
    }
}
