//! Finds functions. Wanted ones are asked for by name, and the tag index names the others.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Function, FunctionState, Reserved, answer, aws_name, output};
use crate::aws::{Cx, Error, Look, Tags, collect};
use crate::kind::Live;
use crate::kinds::lambda::beside;
use crate::kinds::lambda::leaving::GONE;
use crate::kinds::on_aws::Query;

/// The question that is asked of each function.
struct Asked<'a> {
    wanted: HashMap<String, &'a str>,
    /// The wanted functions that have a destination for events that failed.
    destined: HashSet<&'a str>,
    /// Whether there are several functions, so that one question to the account may spare many.
    several: bool,
    look: &'a Look,
}

pub(super) async fn all(cx: &Cx, query: &Query<'_, Function>) -> Result<Vec<Live<Function>>, Error> {
    let wanted = query.named(|name, _| aws_name(&cx.scope, name));
    let mut names: BTreeSet<String> = wanted.keys().cloned().collect();
    let hints = query.look.tagged(cx, "lambda:function").await;
    names.extend(hints.iter().filter_map(|arn| arn.split(':').nth(6)).map(str::to_owned));
    let destined = query.wanted.iter().filter(|(_, spec)| spec.on_failure.is_some()).map(|(name, _)| name.as_str());
    let asked = Asked { wanted, destined: destined.collect(), several: names.len() > 1, look: query.look };
    collect(names.into_iter().collect(), |name| one(cx, name, &asked)).await
}

async fn one(cx: &Cx, function: String, asked: &Asked<'_>) -> Result<Option<Live<Function>>, Error> {
    // GetFunction would show the tags as well, but it also gives away the code, which a plan has no business with.
    let (arn, wanted) = (output(&cx.scope, &function).arn, asked.wanted.get(&function).copied());
    let (found, whose, concurrency, failures, urls) = tokio::join!(
        cx.lambda.get_function_configuration().function_name(&function).send(),
        asked.look.whose(cx, &arn, wanted, tags(cx, &arn)),
        reserved(cx, &function, asked),
        failures(cx, &function, wanted.is_some_and(|name| asked.destined.contains(name))),
        beside::urls(cx, &function),
    );
    let Some(configuration) = Error::unless_gone(found, GONE)? else {
        return Ok(None);
    };
    let Some(whose) = whose? else {
        return Ok(None);
    };
    let state = FunctionState {
        urls: urls?,
        concurrency: concurrency?.map_or(Reserved::Nothing, Reserved::Calls),
        failures: failures?,
        ..answer::state(&configuration)
    };
    let output = output(&cx.scope, &function);
    let (id, status) = (output.arn.clone(), answer::status(&configuration));
    Ok(Some(Live { status, ..Live::ready(whose, id, state, output) }))
}

/// The destination of asynchronous events that fail. A function that gets none is not asked: such settings mean nothing
/// there.
async fn failures(cx: &Cx, function: &str, is_destined: bool) -> Result<super::Failures, Error> {
    if !is_destined {
        return Ok(super::Failures::default());
    }
    let answer = cx.lambda.get_function_event_invoke_config().function_name(function).send().await;
    Ok(Error::unless_gone(answer, GONE)?.as_ref().map(answer::failures).unwrap_or_default())
}

async fn reserved(cx: &Cx, function: &str, asked: &Asked<'_>) -> Result<Option<i32>, Error> {
    let any = async {
        let answer = cx.lambda.get_account_settings().send().await?;
        let limit = answer.account_limit();
        let free = limit.and_then(|limit| limit.unreserved_concurrent_executions);
        Ok(limit.is_none_or(|limit| free != Some(limit.concurrent_executions)))
    };
    if asked.several && !asked.look.may_reserve(any).await {
        return Ok(None);
    }
    let answer = cx.lambda.get_function_concurrency().function_name(function).send().await;
    Ok(Error::unless_gone(answer, GONE)?.and_then(|answer| answer.reserved_concurrent_executions))
}

async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.lambda.list_tags().resource(arn).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.tags).unwrap_or_default())
}
