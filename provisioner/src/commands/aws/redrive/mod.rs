//! `provision redrive`: moves the messages of a dead-letter queue back to the queue that they came from. SQS moves them
//! by itself. This command starts the move, watches it, and on Ctrl-C cancels it. [`functions`] is for the events that a
//! function failed at.

pub(crate) mod functions;
pub(crate) mod stream;

use std::path::Path;
use std::time::Instant;

use aws_sdk_sqs::types::ListMessageMoveTasksResultEntry as Move;
use aws_sdk_sqs::types::QueueAttributeName as Attribute;
use serde_json::json;

use super::run;
use super::session::{login_hint, open_without_runtime};
use crate::aws::{Cx, Error};
use crate::commands::failure::{Exit, Failure};
use crate::commands::options::Global;
use crate::commands::{agree, failed_events, load};
use crate::kinds::sqs::queue_name;
use crate::printer::Printer;
use crate::sections::Stack;
use crate::sections::logs::FAILED as FORWARDER_FAILED;
use crate::sections::queues::dead_letter_name;
use crate::sections::similar::similar;
use crate::sections::words::Name;

/// The IAM actions of this file. To start, watch or end a move, SQS also wants the permissions to receive from the one
/// queue and to send to the other (SQS developer guide, API permissions).
pub(crate) const ACTIONS: &[&str] = &[
    "sqs:CancelMessageMoveTask",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "sqs:ListMessageMoveTasks",
    "sqs:ListQueueTags",
    "sqs:ReceiveMessage",
    "sqs:SendMessage",
    "sqs:StartMessageMoveTask",
];

const LOOK_EVERY_SECONDS: f64 = 2.0;
/// A move of many messages may take SQS up to 36 hours. But if not one message moves for this long, something is wrong.
const STALLED_AFTER_SECONDS: f64 = 600.0;
/// A cancelled move ends after the batch in flight, within this time.
const CANCELLED_WITHIN_SECONDS: f64 = 60.0;

pub(crate) async fn redrive(file: &Path, global: &Global, queue: &str, printer: Printer) -> Result<Exit, Failure> {
    let loaded = load(file, global)?;
    if let Some(function) = failed_events::function(&loaded.stack, queue)? {
        let session = open_without_runtime(&loaded, global).await?;
        return functions::redrive(&session.cx, global, (queue, function), printer).await;
    }
    let fifo = chosen(&loaded.stack, queue)?;
    let session = open_without_runtime(&loaded, global).await?;
    let cx = &session.cx;
    let dead = dead_letter_name(queue);
    let (from, to) = (found(cx, &dead, fifo).await?, found(cx, queue, fifo).await?);
    let pair = Pair { from, to };
    let earlier = newest(cx, &pair).await.map_err(failed("looking for earlier moves"))?;
    let running = earlier.as_ref().filter(|task| is_running(task));
    match running {
        Some(task) => joined(task, &dead, &pair, printer)?,
        None => {
            let count = waiting(cx, &pair.from, printer).await?;
            if count == 0 {
                return tell(cx, global, queue, &pair, &Outcome::default(), printer);
            }
            let question = format!("Move about {} back to `{queue}`? [y/N]", messages(count));
            agree(global, &question, printer)?;
        }
    }
    run::listen_for_stop(cx.stop.clone(), printer);
    let begun = match running {
        Some(task) => task.started_timestamp(),
        None => {
            start(cx, &pair, earlier.as_ref()).await?;
            earlier.as_ref().map_or(0, |task| task.started_timestamp() + 1)
        }
    };
    let outcome = watch(cx, &pair, begun, printer).await?;
    tell(cx, global, queue, &pair, &outcome, printer)
}

/// The dead-letter queue and the queue that gets the messages back, as SQS knows them.
struct Pair {
    from: Found,
    to: Found,
}

struct Found {
    url: String,
    arn: String,
}

/// Joins a move that somebody has begun, if it goes to the same queue as ours would. Refuses it otherwise.
fn joined(task: &Move, dead: &str, pair: &Pair, printer: Printer) -> Result<(), Failure> {
    match task.destination_arn() {
        Some(other) if other != pair.to.arn => {
            Err(Failure::of(format!("messages of `{dead}` are being moved to {other} already"))
                .hint("SQS makes one move of a queue at a time: wait for that one"))
        }
        _ => {
            printer.talk(format!("messages of `{dead}` are being moved already: watching that"));
            Ok(())
        }
    }
}

/// Whether the queue of that name is FIFO. Anything else is not a queue that has messages to get back.
fn chosen(stack: &Stack, queue: &str) -> Result<bool, Failure> {
    if let Some(known) = stack.queues.get(&Name(queue.to_owned())) {
        return Ok(known.fifo);
    }
    if stack.shipping().is_some() && queue == FORWARDER_FAILED {
        return Err(Failure::usage(format!("`{queue}` is not the dead-letter queue of a queue")).hint(
            "it holds what the log forwarder could not deliver, log events and whole invocations of the function: \
             there is no queue to which they could go back",
        ));
    }
    if let Some((_, name)) = stack.failed_queues().find(|(failed, _)| failed == queue) {
        let hint = format!("name the function that gets the events again: `{name}`");
        return Err(Failure::usage(format!("`{queue}` is not the dead-letter queue of a queue")).hint(hint));
    }
    let names = || stack.queues.keys().map(|name| name.0.as_str());
    let hint = match names().find(|name| dead_letter_name(name) == queue) {
        Some(source) => format!("name the queue that gets the messages back: `{source}`"),
        None => match similar(queue, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if stack.queues.is_empty() => "the stack has no queues".to_owned(),
            None => format!("there are: {}", names().collect::<Vec<_>>().join(", ")),
        },
    };
    Err(Failure::usage(format!("`{queue}` is not a queue of this stack")).hint(hint))
}

/// Finds a queue. Fails if the queue does not exist, or if its tags say that it is not this stack's.
async fn found(cx: &Cx, name: &str, fifo: bool) -> Result<Found, Failure> {
    let called = queue_name(&cx.scope, name, fifo);
    let gone = &["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
    let read = async {
        let answer = Error::unless_gone(cx.sqs.get_queue_url().queue_name(&called).send().await, gone)?;
        let Some(url) = answer.and_then(|answer| answer.queue_url) else { return Ok(None) };
        let tags = Error::unless_gone(cx.sqs.list_queue_tags().queue_url(&url).send().await, gone)?;
        Ok::<_, Error>(tags.map(|answer| (url, answer.tags.unwrap_or_default())))
    };
    let Some((url, tags)) = read.await.map_err(failed(&format!("reading `{called}`")))? else {
        return Err(Failure::of(format!("there is no queue `{called}`")).hint("`provision up` makes it"));
    };
    match cx.scope.whose(&tags, Some(name)) {
        Some((_, owner)) if owner.is_ours() => Ok(Found { url, arn: cx.scope.arn("sqs", &called) }),
        _ => Err(Failure::of(format!("`{called}` exists, but this stack did not make it"))
            .hint(format!("take it over with `up --adopt 'sqs.queue {name}'`, if it is to be this stack's"))),
    }
}

/// How many messages there are to take. SQS counts approximately, and up to a minute late.
async fn waiting(cx: &Cx, queue: &Found, printer: Printer) -> Result<i64, Failure> {
    let (visible, taken) = (Attribute::ApproximateNumberOfMessages, Attribute::ApproximateNumberOfMessagesNotVisible);
    let call = cx.sqs.get_queue_attributes().queue_url(&queue.url).attribute_names(visible.clone());
    let answer = call.attribute_names(taken.clone()).send().await.map_err(Error::from);
    let counts = answer.map_err(failed("counting the messages"))?.attributes;
    let count = |which| counts.as_ref().and_then(|all| all.get(&which)?.parse::<i64>().ok()).unwrap_or(0);
    let taken = count(taken);
    if taken > 0 {
        printer.talk(format!("{taken} messages are hidden, because somebody has just received them: they stay"));
    }
    Ok(count(visible))
}

/// Starts the move. A start that was refused, or whose answer was lost, counts as done if a move to our queue runs all
/// the same: SQS allows one move of a queue at a time, whoever began it.
async fn start(cx: &Cx, pair: &Pair, earlier: Option<&Move>) -> Result<(), Failure> {
    let call = cx.sqs.start_message_move_task().source_arn(&pair.from.arn).destination_arn(&pair.to.arn);
    let Err(error) = call.send().await.map_err(Error::from) else {
        return Ok(());
    };
    let now = newest(cx, pair).await.ok().flatten();
    let is_new = |task: &Move| Some(task.started_timestamp()) > earlier.map(Move::started_timestamp);
    if now.is_some_and(|task| is_new(&task) && task.destination_arn() == Some(&pair.to.arn)) {
        return Ok(());
    }
    Err(failed("starting the move")(error))
}

/// How a move ended. The default is the outcome of a move of no messages.
struct Outcome {
    /// The status in the words of SQS.
    status: String,
    moved: i64,
    of: Option<i64>,
    why: Option<String>,
    seconds: f64,
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome { status: "COMPLETED".to_owned(), moved: 0, of: Some(0), why: None, seconds: 0.0 }
    }
}

/// Watches until the move that began at `begun` or later has ended. The list of moves may not show it at once.
async fn watch(cx: &Cx, pair: &Pair, begun: i64, printer: Printer) -> Result<Outcome, Failure> {
    let (started, mut last_step, mut shown) = (Instant::now(), Instant::now(), None);
    let mut cancelled: Option<Instant> = None;
    loop {
        let task = newest(cx, pair).await.map_err(failed("watching the move, which goes on"))?;
        let task = task.filter(|task| task.started_timestamp() >= begun);
        let progress = task.as_ref().map(|task| (task.approximate_number_of_messages_moved(), is_running(task)));
        if progress != shown {
            (shown, last_step) = (progress, Instant::now());
            if let Some(task) = task.as_ref().filter(|task| is_running(task)) {
                let of =
                    task.approximate_number_of_messages_to_move().map_or_else(String::new, |all| format!(" of {all}"));
                printer.talk(format!("… moved {}{of}", task.approximate_number_of_messages_moved()));
            }
        }
        if let Some(task) = task.as_ref().filter(|task| !is_running(task)) {
            return Ok(Outcome {
                status: task.status().unwrap_or_default().to_owned(),
                moved: task.approximate_number_of_messages_moved(),
                of: task.approximate_number_of_messages_to_move(),
                why: task.failure_reason().map(str::to_owned),
                seconds: cx.clock.since(started),
            });
        }
        match (cancelled, cx.stop.reason()) {
            (Some(since), _) if cx.clock.is_over(since, CANCELLED_WITHIN_SECONDS) => {
                return Err(Failure::new(Exit::Interrupted, "the move was cancelled, and has not ended yet"));
            }
            (None, Some(_)) => {
                cancel(cx, task.as_ref(), printer).await;
                cancelled = Some(Instant::now());
            }
            _ => {}
        }
        if cx.clock.is_over(last_step, STALLED_AFTER_SECONDS) {
            return Err(Failure::of("no message has moved for ten minutes")
                .hint("the move goes on for up to 36 hours: run the same command again to watch it"));
        }
        cx.clock.sleep(LOOK_EVERY_SECONDS).await;
    }
}

/// Cancels the move. Moved messages stay moved, and the others stay where they are: nothing is lost either way.
async fn cancel(cx: &Cx, task: Option<&Move>, printer: Printer) {
    let Some(handle) = task.and_then(Move::task_handle) else { return };
    // The move may have ended meanwhile. The next look says how.
    if let Err(error) = cx.sqs.cancel_message_move_task().task_handle(handle).send().await.map_err(Error::from) {
        printer.detail(format!("cancelling the move: {error}"));
    }
}

async fn newest(cx: &Cx, pair: &Pair) -> Result<Option<Move>, Error> {
    let call = cx.sqs.list_message_move_tasks().source_arn(&pair.from.arn).max_results(1);
    Ok(call.send().await?.results.unwrap_or_default().into_iter().next())
}

fn is_running(task: &Move) -> bool {
    matches!(task.status(), Some("RUNNING" | "CANCELLING"))
}

/// Prints how the move ended, and returns that as the result of the command.
fn tell(
    cx: &Cx,
    global: &Global,
    queue: &str,
    pair: &Pair,
    outcome: &Outcome,
    printer: Printer,
) -> Result<Exit, Failure> {
    let Outcome { status, moved, of, why, seconds } = outcome;
    if global.json {
        let document = json!({
            "version": 1, "stack": cx.scope.stack, "env": cx.scope.env, "queue": queue,
            "from": pair.from.arn, "to": pair.to.arn,
            "status": status.to_lowercase(), "moved": moved, "to_move": of, "why": why, "seconds": seconds,
        });
        printer.data(document);
    }
    let moved = messages(*moved);
    match (status.as_str(), of) {
        ("COMPLETED", Some(0)) => printer.talk(format!("there is nothing to move back to `{queue}`")),
        ("COMPLETED", _) => printer.talk(format!("{}: {moved} went back to `{queue}`", printer.green("done"))),
        ("CANCELLED", _) => {
            printer.talk(format!("cancelled: {moved} went back, the others stay where they are"));
            return Ok(Exit::Interrupted);
        }
        (other, _) => {
            let why = why.as_deref().unwrap_or("SQS does not say why");
            return Err(Failure::of(format!("the move ended as {other} after {moved}: {why}"))
                .hint("what was not moved is still in the dead-letter queue: run the same command again"));
        }
    }
    Ok(Exit::Done)
}

fn messages(count: i64) -> String {
    match count {
        1 => "1 message".to_owned(),
        count => format!("{count} messages"),
    }
}

/// The failure of a call. `doing` says what the call was for.
fn failed(doing: &str) -> impl Fn(Error) -> Failure {
    move |error| {
        let failure = Failure::of(format!("{doing}: {error}"));
        match error.is_login() || error.is_denied() {
            true => failure.hint(login_hint(&error)),
            false => failure,
        }
    }
}
