//! Sets the AUTH token. Its version is in the tag `provision:version`. While AWS sets a new token it refuses tags too.
//! So the tag announces the new token before, as `<old> <new> <date of the old>`. When AWS shows another date, the new
//! token is set. In this way each of the three writes is done once, wherever a run was cut off.

use aws_sdk_elasticache::types::{AuthTokenUpdateStrategyType, Tag};

use super::{ReplicationGroup, ReplicationGroupState};
use crate::aws::{Cx, Error};
use crate::kind::Live;
use crate::kinds::secretsmanager;
use crate::scope::VERSION_TAG;

/// The word in the tag for a version or a date that does not exist.
const NONE: &str = "-";

pub(super) async fn rotate(cx: &Cx, live: &Live<ReplicationGroup>, want: &ReplicationGroupState) -> Result<(), Error> {
    let new = want.auth_version.clone().unwrap_or_default();
    let tag = async |value: String| {
        let tag = Tag::builder().key(VERSION_TAG).value(value).build();
        cx.elasticache
            .add_tags_to_resource()
            .resource_name(&live.output.arn)
            .tags(tag)
            .send()
            .await
            .map_err(Error::from)
    };
    if live.state.auth_announced.as_ref() != Some(&new) {
        let [old, date] = [&live.state.auth_version, &live.state.auth_date].map(|word| word.as_deref().unwrap_or(NONE));
        tag(format!("{old} {new} {date}")).await?;
    }
    let call = cx.elasticache.modify_replication_group().replication_group_id(&want.id).apply_immediately(true);
    let call = call.auth_token(value(cx, want).await?);
    call.auth_token_update_strategy(AuthTokenUpdateStrategyType::Rotate).send().await?;
    // If the run is cut off here, the date tells the same as the tag.
    tag(new).await?;
    Ok(())
}

pub(super) async fn value(cx: &Cx, want: &ReplicationGroupState) -> Result<String, Error> {
    let (arn, version) = (want.auth.as_deref(), want.auth_version.as_deref());
    secretsmanager::member(cx, arn.unwrap_or_default(), version.unwrap_or_default(), "token").await
}

/// The version of the token that is set, and the version that is announced and not set yet.
pub(super) fn versions(tag: &str, date: Option<&str>) -> (Option<String>, Option<String>) {
    let words: Vec<&str> = tag.split(' ').collect();
    match words[..] {
        [_, new, before] if date.unwrap_or(NONE) != before => (Some(new.to_owned()), None),
        [old, new, _] => (Some(old.to_owned()), Some(new.to_owned())),
        _ => (Some(tag.to_owned()), None),
    }
}
