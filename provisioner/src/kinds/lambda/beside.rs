//! Finds and removes addresses under which others have made a function of ours callable: one `ListFunctionUrlConfigs`
//! shows them all. None of them is wanted.

use std::collections::BTreeMap;

use aws_sdk_lambda::types::FunctionUrlConfig;
use serde_json::Value;

use super::leaving::GONE;
use crate::aws::{Cx, Error};

pub(super) async fn urls(cx: &Cx, function: &str) -> Result<BTreeMap<String, Value>, Error> {
    let found = url_configs(cx, function).await?;
    Ok(found.iter().map(|url| (url.function_url.clone(), who(url).into())).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_an_alias_s() {
        assert_eq!(qualifier("arn:aws:lambda:us-west-2:123456789012:function:f"), None);
        assert_eq!(qualifier("arn:aws:lambda:us-west-2:123456789012:function:f:live"), Some("live"));
    }
}
