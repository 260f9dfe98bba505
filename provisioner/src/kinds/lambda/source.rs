//! `lambda.source`: an event source mapping, by which Lambda reads a queue or the stream of a table, and calls a function
//! with what it finds.
//!
//! A mapping has no name: AWS draws its id. One `ListEventSourceMappings` shows those of the whole account, and the
//! tags of each near one prove whose it is. A source and a function have at most one mapping, so a second create is
//! refused, and the refusal names the first by its id ("Please update or delete the existing mapping with UUID …").
//! The list may lag, so a mapping of ours that a refusal names is taken over.
//!
//! A mapping outlives its function and its source, and a new function of the same name gets the calls of the old
//! mapping. So a mapping goes before both, and is waited for until it is gone. Every call starts a transition
//! (`Creating`, `Updating`, `Deleting`) of some seconds, in which the next call is refused (ResourceInUseException).
//!
//! A mapping without our tag on a function of ours, whatever it reads, was put there by others. It is taken away.
//!
//! Partial answers are always on: a function that names the failed messages of a batch gets only these again (Lambda
//! developer guide, "Using Lambda with Amazon SQS"). A filter is never wanted: Lambda deletes the messages that do not
//! match one. A batch has 1 to 10,000 messages, above 10 of a queue only with a window of at least a second; the window
//! has at most 300 seconds, and 2 to 1,000 calls may run at a time (Lambda API reference, CreateEventSourceMapping).
//!
//! A stream is read in order, one batch at a time, so a record that the function cannot handle would hold up all others
//! for a day. Such a batch is halved until the record is alone. After the last attempt Lambda tells the queue of failed
//! events where the record is in the stream, and goes on. A new stream has another ARN, and so another mapping.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput as Found;
use aws_sdk_lambda::types::{
    DestinationConfig, EventSourceMappingConfiguration as Mapping, EventSourcePosition, FilterCriteria,
    FunctionResponseType, OnFailure, ScalingConfig,
};
use serde::{Deserialize, Serialize};

use super::Function;
use super::leaving::{CONFLICT, GONE};
use crate::aws::evidence::Evidence;
use crate::aws::{Cx, Error, Look, Tags, collect};
use crate::kind::facts::{Address, Facts, Field, Retry, Seconds};
use crate::kind::owner::Owner;
use crate::kind::{Kind, Live, Missing, Outputs, Ref, Status};
use crate::kinds::dynamodb::Table;
use crate::kinds::on_aws::{Changed, LastWish, OnAws, Query};
use crate::kinds::sqs::Queue;
use crate::scope::{NAME_TAG, STACK_TAG, Scope};

pub struct Source;

#[derive(Serialize, Deserialize)]
pub struct SourceSpec {
    pub function: Ref<Function>,
    pub reads: Reads,
    /// The most messages or records in one call of the function.
    pub batch: u32,
    /// The most seconds in which Lambda gathers messages or records for a call.
    pub window: u32,
}

/// What a mapping reads.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reads {
    Queue {
        queue: Ref<Queue>,
        /// The most calls at a time. `None`: as many as the account lets.
        concurrency: Option<u32>,
    },
    Stream {
        table: Ref<Table>,
        /// Where the reading begins, once: `TRIM_HORIZON` or `LATEST`.
        begin: String,
        /// After how many failed attempts Lambda gives a record up.
        retries: u32,
        /// The queue that gets the places of records that were given up.
        failed: Ref<Queue>,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// The ARN of the queue or the stream.
    pub source: String,
    /// The function's name, with a version or alias if there is one.
    pub function: String,
    pub enabled: bool,
    pub batch: i32,
    pub window: i32,
    /// The most calls at a time, 0 for as many as the account lets.
    pub concurrency: i32,
    /// Whether the function may name the messages that failed.
    pub partial_failures: bool,
    /// The patterns. Lambda deletes the messages that match none of them.
    pub filters: BTreeSet<String>,
    /// How a stream is read. A queue has none of this.
    pub stream: Option<StreamState>,
    /// Where the reading of a stream began.
    pub begin: Option<String>,
    /// The result of the last call, in AWS's words.
    pub last_result: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StreamState {
    /// Whether a batch that fails is halved until the record that fails is alone.
    pub halves: bool,
    /// The most attempts after the first. -1: until the record is gone from the stream.
    pub retries: i32,
    /// The age in seconds after which a record is given up. -1: none.
    pub max_age: i32,
    /// How many batches of a shard are handled at a time.
    pub parallel: i32,
    /// The ARN of what gets the places of records that were given up, or "".
    pub failed: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceOutput {
    pub arn: String,
    pub id: String,
}

impl Kind for Source {
    const FACTS: Facts = Facts {
        name: "lambda.source",
        fields: &[
            Field::fixed("source"),
            Field::wanted("function"),
            Field::wanted("enabled"),
            Field::wanted("batch"),
            Field::wanted("window"),
            Field::wanted("concurrency"),
            Field::wanted("partial_failures"),
            Field::wanted("filters"),
            Field::wanted("stream"),
            Field::chosen("begin"),
            Field::theirs("last_result"),
        ],
        seconds: Seconds { create: 5, update: 5, delete: 5 },
        read_after: &["dynamodb.table", "lambda.function", "sqs.queue"],
        exists: &[CONFLICT],
        retry: &[
            Retry::code("ResourceInUseException", 120),
            Retry::code("ResourceNotFoundException", 30),
            Retry::saying("InvalidParameterValueException", "execution role does not have permissions", 120),
            Retry::saying("InvalidParameterValueException", "NonExistentQueue", 60),
            Retry::saying("InvalidParameterValueException", "Stream not found", 60),
            // The role's right to read the stream or to send to the queue is new.
            Retry::saying("InvalidParameterValueException", "Cannot access stream", 60),
            Retry::saying("InvalidParameterValueException", "provided execution role", 60),
            // An attribute of a queue takes up to 60 seconds to be seen everywhere.
            Retry::saying("InvalidParameterValueException", "is less than function timeout", 70),
        ],
        actions: &[
            "lambda:CreateEventSourceMapping",
            "lambda:DeleteEventSourceMapping",
            "lambda:GetEventSourceMapping",
            "lambda:ListEventSourceMappings",
            "lambda:ListTags",
            "lambda:TagResource",
            "lambda:UntagResource",
            "lambda:UpdateEventSourceMapping",
        ],
        ..Facts::DEFAULT
    };

    type Spec = SourceSpec;
    type State = SourceState;
    type Output = SourceOutput;
    type Ready = ();

    fn want(_: &Scope, _: &str, spec: &SourceSpec, outputs: &Outputs) -> Result<SourceState, Missing> {
        let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
        let both = SourceState {
            function: outputs.get(&spec.function)?.name,
            enabled: true,
            batch: number(spec.batch),
            window: number(spec.window),
            partial_failures: true,
            ..SourceState::default()
        };
        Ok(match &spec.reads {
            Reads::Queue { queue, concurrency } => {
                SourceState { source: outputs.get(queue)?.arn, concurrency: concurrency.map_or(0, number), ..both }
            }
            Reads::Stream { table, begin, retries, failed } => SourceState {
                source: outputs.get(table)?.stream_arn,
                begin: Some(begin.clone()),
                stream: Some(StreamState {
                    halves: true,
                    retries: number(*retries),
                    max_age: NONE,
                    parallel: 1,
                    failed: outputs.get(failed)?.arn,
                }),
                ..both
            },
        })
    }
}

impl OnAws for Source {
    async fn read(cx: &Cx, query: &Query<'_, Source>) -> Result<Vec<Live<Source>>, Error> {
        let mut wanted: HashMap<(String, String), &str> = HashMap::new();
        for (name, spec) in &query.wanted {
            // Without its function or its source there is no mapping.
            if let Ok(want) = Source::want(query.scope, name, spec, query.outputs) {
                wanted.insert((want.source, want.function), name);
            }
        }
        let functions: HashMap<String, String> =
            query.outputs.all::<Function>().into_iter().map(|(name, function)| (function.name, name)).collect();
        let pages = cx.lambda.list_event_source_mappings().into_paginator().items().send();
        let mut all: Vec<Mapping> = pages.try_collect().await?;
        all.retain(|mapping| is_near(&cx.scope, mapping));
        let (wanted, functions) = (&wanted, &functions);
        let one = |mapping| one(cx, mapping, wanted, functions, query.look);
        let mut live: Vec<Live<Source>> = collect(all, one).await?;
        // A mapping on its way out does not stand for the one that follows it.
        live.sort_by_key(|one| (one.name.clone(), one.status == Status::Deleting));
        live.dedup_by_key(|one| one.name.clone());
        Ok(live)
    }

    async fn create(cx: &Cx, name: &str, want: &SourceState) -> Result<SourceOutput, Error> {
        let call = cx.lambda.create_event_source_mapping().event_source_arn(&want.source).function_name(&want.function);
        let call = call.batch_size(want.batch).maximum_batching_window_in_seconds(want.window);
        let call = call.function_response_types(FunctionResponseType::ReportBatchItemFailures);
        let mut call = call.set_scaling_config((want.concurrency > 0).then(|| scaling(want)));
        if let Some(stream) = &want.stream {
            call = call.set_starting_position(want.begin.as_deref().map(EventSourcePosition::from));
            call = call.bisect_batch_on_function_error(stream.halves).maximum_retry_attempts(stream.retries);
            call = call.maximum_record_age_in_seconds(stream.max_age).parallelization_factor(stream.parallel);
            call = call.destination_config(destination(stream));
        }
        let made = call.set_tags(Some(cx.scope.tags(name).into_iter().collect())).send().await.map_err(Error::from);
        match made {
            Ok(made) => Ok(output(&cx.scope, &made.uuid.unwrap_or_default())),
            Err(refusal) if refusal.is(&[CONFLICT]) => take_over(cx, refusal, want).await,
            Err(error) => Err(error),
        }
    }

    async fn update(cx: &Cx, live: &Live<Source>, want: &SourceState, _: &Changed) -> Result<(), Error> {
        set(cx, &live.output.id, want).await
    }

    async fn delete(cx: &Cx, live: &Live<Source>, _: LastWish) -> Result<(), Error> {
        Error::or_gone(cx.lambda.delete_event_source_mapping().uuid(&live.output.id).send().await, GONE)
    }

    async fn explain(cx: &Cx, live: &Live<Source>) -> Evidence {
        let mut evidence = Evidence::default();
        let answer = cx.lambda.get_event_source_mapping().uuid(&live.output.id).send().await;
        if let Some(found) = evidence.read("the event source mapping", answer) {
            evidence.lines.extend(told(&found));
        }
        evidence
    }
}

fn output(scope: &Scope, id: &str) -> SourceOutput {
    SourceOutput { arn: scope.arn("lambda", &format!("event-source-mapping:{id}")), id: id.to_owned() }
}

/// Whether the function or the source of a mapping may be ours, by its name.
fn is_near(scope: &Scope, mapping: &Mapping) -> bool {
    let prefix = format!("{}-", scope.prefix());
    let named = |arn: Option<&str>, place: usize| {
        let name = arn.and_then(|arn| arn.split(':').nth(place));
        name.is_some_and(|name| name.strip_prefix("table/").unwrap_or(name).starts_with(&prefix))
    };
    named(mapping.function_arn(), 6) || named(mapping.event_source_arn(), 5)
}

async fn one(
    cx: &Cx,
    mapping: Mapping,
    wanted: &HashMap<(String, String), &str>,
    functions: &HashMap<String, String>,
    look: &Look,
) -> Result<Option<Live<Source>>, Error> {
    let (state, status) = (state(&mapping), status(mapping.state()));
    let output = output(&cx.scope, mapping.uuid().unwrap_or_default());
    let asked = wanted.get(&(state.source.clone(), state.function.clone())).copied();
    let tags = look.tags(cx, &output.arn, asked, tags(cx, &output.arn)).await?;
    let ours = tags.get(STACK_TAG) == Some(&cx.scope.tag());
    let named = if ours { tags.get(NAME_TAG).map(String::as_str) } else { asked };
    let on = state.function.split(':').next().and_then(|function| functions.get(function));
    let whose = match (cx.scope.whose(&tags, named), on) {
        (Some(whose), _) => whose,
        // A mapping on its way out reads nothing.
        (None, Some(on)) if status != Status::Deleting => beside(on, &state),
        (None, _) => return Ok(None),
    };
    Ok(Some(Live { status, ..Live::ready(whose, output.arn.clone(), state, output) }))
}

/// The name of a mapping that somebody else made, as in `shop/elsewhere`, and the function of ours that it calls.
fn beside(function: &str, state: &SourceState) -> (String, Owner) {
    let on = Address { kind: Function::FACTS.name, name: function.to_owned() };
    (format!("{function}/{}", source_name(&state.source)), Owner::Beside(on))
}

/// The name of a queue, a table or whatever else a mapping reads, from its ARN.
fn source_name(arn: &str) -> &str {
    match arn.split_once(":table/") {
        Some((_, table)) => table.split('/').next().unwrap_or(table),
        None => arn.rsplit([':', '/']).next().unwrap_or_default(),
    }
}

async fn tags(cx: &Cx, arn: &str) -> Result<Tags, Error> {
    let answer = Error::unless_gone(cx.lambda.list_tags().resource(arn).send().await, GONE)?;
    Ok(answer.and_then(|answer| answer.tags).unwrap_or_default())
}

/// Takes over the mapping that a refusal names, if this stack made it for the same source and function.
async fn take_over(cx: &Cx, refusal: Error, want: &SourceState) -> Result<SourceOutput, Error> {
    let Some(id) = named_in(&refusal.message) else {
        return Err(refusal);
    };
    let output = output(&cx.scope, id);
    let found = cx.lambda.get_event_source_mapping().uuid(id).send().await;
    let Some(found) = Error::unless_gone(found, GONE)? else {
        return Err(refusal);
    };
    let same = found.event_source_arn() == Some(&want.source) && function(found.function_arn()) == want.function;
    let tags = tags(cx, &output.arn).await?;
    if !same || status(found.state()) != Status::Ready || cx.scope.whose(&tags, None).is_none() {
        return Err(refusal);
    }
    set(cx, id, want).await?;
    Ok(output)
}

/// The id in the text of a refusal.
fn named_in(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("UUID ")?;
    after.split(|c: char| !c.is_ascii_hexdigit() && c != '-').next().filter(|id| !id.is_empty())
}

/// Sets everything. A setting that a call leaves out stays as it is.
async fn set(cx: &Cx, id: &str, want: &SourceState) -> Result<(), Error> {
    let call = cx.lambda.update_event_source_mapping().uuid(id).function_name(&want.function).enabled(want.enabled);
    let call = call.batch_size(want.batch).maximum_batching_window_in_seconds(want.window);
    let call = call.function_response_types(FunctionResponseType::ReportBatchItemFailures);
    let mut call = call.filter_criteria(FilterCriteria::builder().build());
    match &want.stream {
        None => call = call.scaling_config(scaling(want)),
        Some(stream) => {
            call = call.bisect_batch_on_function_error(stream.halves).maximum_retry_attempts(stream.retries);
            call = call.maximum_record_age_in_seconds(stream.max_age).parallelization_factor(stream.parallel);
            call = call.destination_config(destination(stream));
        }
    }
    call.send().await?;
    Ok(())
}

fn destination(stream: &StreamState) -> DestinationConfig {
    DestinationConfig::builder().on_failure(OnFailure::builder().destination(&stream.failed).build()).build()
}

/// The word of Lambda for a limit that is not set.
const NONE: i32 = -1;

/// The bound on the calls at a time. An empty one takes the bound away.
fn scaling(want: &SourceState) -> ScalingConfig {
    ScalingConfig::builder().set_maximum_concurrency((want.concurrency > 0).then_some(want.concurrency)).build()
}

fn status(word: Option<&str>) -> Status {
    match word {
        Some("Enabled" | "Disabled") | None => Status::Ready,
        Some("Deleting") => Status::Deleting,
        Some(word) => Status::Busy(word.to_lowercase()),
    }
}

/// The function in an ARN, with its version or alias: `shop` of `arn:aws:lambda:eu-west-1:1:function:shop`.
fn function(arn: Option<&str>) -> String {
    arn.and_then(|arn| arn.splitn(7, ':').nth(6)).unwrap_or_default().to_owned()
}

fn state(found: &Mapping) -> SourceState {
    let filters = found.filter_criteria().map(FilterCriteria::filters).unwrap_or_default();
    SourceState {
        source: found.event_source_arn().unwrap_or("a cluster outside of AWS").to_owned(),
        function: function(found.function_arn()),
        enabled: !matches!(found.state(), Some("Disabled" | "Disabling")),
        batch: found.batch_size().unwrap_or_default(),
        window: found.maximum_batching_window_in_seconds().unwrap_or_default(),
        concurrency: found.scaling_config().and_then(ScalingConfig::maximum_concurrency).unwrap_or_default(),
        partial_failures: found.function_response_types().contains(&FunctionResponseType::ReportBatchItemFailures),
        filters: filters.iter().filter_map(|filter| filter.pattern().map(str::to_owned)).collect(),
        begin: found.starting_position().map(|begin| begin.as_str().to_owned()),
        // Only a mapping on a stream has a place where it began.
        stream: found.starting_position().map(|_| stream(found)),
        last_result: found.last_processing_result().unwrap_or_default().to_owned(),
    }
}

fn stream(found: &Mapping) -> StreamState {
    let failed = found.destination_config().and_then(DestinationConfig::on_failure).and_then(OnFailure::destination);
    StreamState {
        halves: found.bisect_batch_on_function_error() == Some(true),
        retries: found.maximum_retry_attempts().unwrap_or(NONE),
        max_age: found.maximum_record_age_in_seconds().unwrap_or(NONE),
        parallel: found.parallelization_factor().unwrap_or(1),
        failed: failed.unwrap_or_default().to_owned(),
    }
}

/// What AWS says of a mapping, a line each.
fn told(found: &Found) -> Vec<String> {
    let said = [
        ("state", found.state()),
        ("reason", found.state_transition_reason()),
        ("last result", found.last_processing_result()),
    ];
    said.into_iter().filter_map(|(what, said)| Some(format!("{what}: {}", said?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of ListEventSourceMappings in botocore's lambda examples.
    #[test]
    fn a_recorded_answer_reads_as_it_is() {
        let recorded = Mapping::builder()
            .uuid("a1b2c3d4-5678-90ab-cdef-11111EXAMPLE")
            .batch_size(5)
            .event_source_arn("arn:aws:sqs:us-west-2:123456789012:mySQSqueue")
            .function_arn("arn:aws:lambda:us-west-2:123456789012:function:my-function")
            .state("Enabled")
            .state_transition_reason("USER_INITIATED")
            .build();
        let state = state(&recorded);
        assert_eq!((state.function.as_str(), state.batch, state.window), ("my-function", 5, 0));
        assert_eq!((state.enabled, state.partial_failures, state.concurrency), (true, false, 0));
        assert_eq!(status(recorded.state()), Status::Ready);
        assert_eq!(status(Some("Updating")), Status::Busy("updating".to_owned()));
    }

    /// A mapping on a stream, as LocalStack has recorded it from AWS (test_lambda_integration_dynamodbstreams.snapshot.json).
    #[test]
    fn a_mapping_on_a_stream_reads_as_it_is() {
        let arn = "arn:aws:dynamodb:us-east-1:111111111111:table/shop-dev-records/stream/2022-02-15T00:00:00.000";
        let recorded = Mapping::builder()
            .batch_size(100)
            .bisect_batch_on_function_error(false)
            .destination_config(DestinationConfig::builder().on_failure(OnFailure::builder().build()).build())
            .event_source_arn(arn)
            .maximum_record_age_in_seconds(-1)
            .maximum_retry_attempts(-1)
            .parallelization_factor(1)
            .starting_position(EventSourcePosition::TrimHorizon)
            .state("Creating")
            .build();
        let state = state(&recorded);
        let stream = state.stream.expect("how it is read");
        assert_eq!((stream.halves, stream.retries, stream.max_age, stream.parallel), (false, -1, -1, 1));
        assert_eq!((stream.failed.as_str(), state.begin.as_deref()), ("", Some("TRIM_HORIZON")));
        assert_eq!(source_name(arn), "shop-dev-records");
        assert_eq!(source_name("arn:aws:sqs:us-east-1:1:q"), "q");
    }

    /// The text as LocalStack has recorded it from AWS (test_lambda_integration_sqs.snapshot.json).
    #[test]
    fn a_refusal_names_the_mapping_that_exists() {
        let text = "An event source mapping with SQS arn (\" arn:aws:sqs:us-east-1:111111111111:q \") and function (\" f \") \
                    already exists. Please update or delete the existing mapping with UUID 0a1b2c3d-0000-4000-8000-00000000000f";
        assert_eq!(named_in(text), Some("0a1b2c3d-0000-4000-8000-00000000000f"));
        assert_eq!(named_in("The function is being updated"), None);
    }

    #[test]
    fn a_mapping_of_an_alias_is_not_one_of_the_function() {
        assert_eq!(function(Some("arn:aws:lambda:us-west-2:123456789012:function:f:live")), "f:live");
    }
}
