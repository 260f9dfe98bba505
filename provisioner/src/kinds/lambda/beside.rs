//! Finds and removes things that others have put beside a function of ours: addresses under which it is called (one
//! `ListFunctionUrlConfigs` shows them all), and sources that Lambda reads for it (one `ListEventSourceMappings`). None
//! of them is wanted.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::{EventSourceMappingConfiguration as Mapping, FunctionUrlConfig};
use serde_json::Value;

use super::leaving::GONE;
use crate::aws::{Cx, Error};

pub(super) async fn urls(cx: &Cx, function: &str) -> Result<BTreeMap<String, Value>, Error> {
    let found = url_configs(cx, function).await?;
    Ok(found.iter().map(|url| (url.function_url.clone(), who(url).into())).collect())
}

pub(super) async fn sources(cx: &Cx, function: &str) -> Result<BTreeMap<String, Value>, Error> {
    let pages = cx.lambda.list_event_source_mappings().function_name(function).into_paginator().items().send();
    let found: Option<Vec<Mapping>> = Error::unless_gone(pages.try_collect().await, GONE)?;
    Ok(found.into_iter().flatten().filter_map(source).collect())
}

/// Removes all addresses of a function, those of its versions and aliases included.
pub(super) async fn remove_urls(cx: &Cx, function: &str) -> Result<(), Error> {
    for url in url_configs(cx, function).await? {
        let call = cx.lambda.delete_function_url_config().function_name(function);
        let call = call.set_qualifier(qualifier(&url.function_arn).map(str::to_owned));
        Error::unless_gone(call.send().await, GONE)?;
    }
    Ok(())
}

pub(super) async fn remove_sources(cx: &Cx, ids: impl Iterator<Item = &String>) -> Result<(), Error> {
    for id in ids {
        Error::unless_gone(cx.lambda.delete_event_source_mapping().uuid(id).send().await, GONE)?;
    }
    Ok(())
}

async fn url_configs(cx: &Cx, function: &str) -> Result<Vec<FunctionUrlConfig>, Error> {
    let pages = cx.lambda.list_function_url_configs().function_name(function).into_paginator().items().send();
    Ok(Error::unless_gone(pages.try_collect().await, GONE)?.unwrap_or_default())
}

fn who(url: &FunctionUrlConfig) -> &'static str {
    match url.auth_type.as_str() {
        "NONE" => "for everybody",
        _ => "for those whom IAM lets",
    }
}

/// The version or alias in an ARN: `live` of `arn:aws:lambda:eu-west-1:1:function:forwarder:live`.
fn qualifier(arn: &str) -> Option<&str> {
    arn.split(':').nth(7)
}

/// The id of a mapping, and the source that it reads. `None` for a mapping on its way out, which reads nothing.
fn source(mapping: Mapping) -> Option<(String, Value)> {
    let goes = mapping.state.as_deref() == Some("Deleting");
    let from = mapping.event_source_arn.unwrap_or_else(|| "a cluster outside of AWS".to_owned());
    Some((mapping.uuid?, from.into())).filter(|_| !goes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of ListEventSourceMappings in botocore's lambda examples.
    #[test]
    fn a_recorded_mapping_says_what_it_reads() {
        let queue = "arn:aws:sqs:us-west-2:123456789012:mySQSqueue";
        let recorded = Mapping::builder().event_source_arn(queue).uuid("a1b2c3d4-5678-90ab-cdef-11111EXAMPLE");
        let read = |state: &str| source(recorded.clone().state(state).build());
        assert_eq!(read("Enabled"), Some(("a1b2c3d4-5678-90ab-cdef-11111EXAMPLE".to_owned(), queue.into())));
        assert_eq!(read("Deleting"), None);
    }

    #[test]
    fn an_address_may_be_an_alias_s() {
        assert_eq!(qualifier("arn:aws:lambda:us-west-2:123456789012:function:f"), None);
        assert_eq!(qualifier("arn:aws:lambda:us-west-2:123456789012:function:f:live"), Some("live"));
    }
}
