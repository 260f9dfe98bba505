//! A function for tests. It does what its events say, one after the other, as a runtime of Lambda would.
//!
//! An event names in `do` what is to be done. A message of a queue names it in its body, and fails alone. So does a record
//! of a table, in the attribute `do` of the item. Each event is written to the file in `SEEN` before anything is done with it.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use local::http::{Answer, ask};
use serde_json::{Value, json};

const FOR_EVER: Duration = Duration::from_secs(3600);

struct Api {
    port: u16,
    base: String,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API").context("AWS_LAMBDA_RUNTIME_API")?;
    let (_, rest) = api.split_once(':').context("no port")?;
    let (port, path) = rest.split_once('/').context("no path")?;
    let api = Api { port: port.parse()?, base: format!("/{path}/2018-06-01/runtime") };
    match std::env::var("_HANDLER")?.as_str() {
        "works" | "http" => {}
        "tells-an-init-error" => {
            api.post("init/error", &json!({ "errorType": "Runtime.Configuration", "errorMessage": "no such role" }))?;
            bail!("no such role");
        }
        "ends" => bail!("cannot begin"),
        // It begins only once somebody has made the file.
        file => std::fs::metadata(file).map(drop).with_context(|| format!("`{file}`"))?,
    }
    loop {
        let next = ask(api.port, "GET", &format!("{}/invocation/next", api.base), &[], None, FOR_EVER)?;
        if next.status != 200 {
            bail!("no event: {}", next.status);
        }
        let id = next.header("lambda-runtime-aws-request-id").context("no id")?.to_owned();
        let event: Value = serde_json::from_slice(&next.body)?;
        seen(&event)?;
        match handle(&event, &next, &api) {
            Ok(answer) => api.post(&format!("invocation/{id}/response"), &answer)?,
            Err(error) => {
                let told = json!({ "errorType": "Error", "errorMessage": format!("{error:#}"), "stackTrace": [] });
                api.post(&format!("invocation/{id}/error"), &told)?;
            }
        }
    }
}

fn handle(event: &Value, next: &Answer, api: &Api) -> Result<Value> {
    // Behind an API the path says what is to be done.
    if let Some(path) =
        event.get("rawPath").and_then(Value::as_str).filter(|_| std::env::var("_HANDLER").is_ok_and(|it| it == "http"))
    {
        let answer = event["body"].as_str().map(serde_json::from_str).transpose();
        return match path {
            "/answer" => answer?.context("no answer"),
            path => act(&path[1..], event, next, api),
        };
    }
    let records = event.get("Records").and_then(Value::as_array);
    let is_of_source =
        |record: &Value| ["aws:sqs", "aws:dynamodb"].iter().any(|source| record["eventSource"] == *source);
    let Some(records) = records.filter(|records| records.iter().any(is_of_source)) else {
        return act(event.get("do").and_then(Value::as_str).unwrap_or_default(), event, next, api);
    };
    let mut failures = Vec::new();
    for record in records {
        let (what, id) = match record["eventSource"] == "aws:sqs" {
            true => (&record["body"], &record["messageId"]),
            false => (&record["dynamodb"]["NewImage"]["do"]["S"], &record["dynamodb"]["SequenceNumber"]),
        };
        match what.as_str().unwrap_or_default() {
            "break" => bail!("told to break"),
            "name nobody" => failures.push(json!({ "itemIdentifier": "nobody" })),
            what if act(what, record, next, api).is_err() => failures.push(json!({ "itemIdentifier": id })),
            _ => {}
        }
    }
    Ok(json!({ "batchItemFailures": failures }))
}

fn act(what: &str, event: &Value, next: &Answer, api: &Api) -> Result<Value> {
    let (verb, argument) = what.split_once(' ').unwrap_or((what, ""));
    match verb {
        "fail" => bail!("told to fail"),
        "exit" => std::process::exit(argument.parse()?),
        "sleep" => std::thread::sleep(Duration::from_millis(argument.parse()?)),
        "large" => return Ok(json!("x".repeat(argument.parse()?))),
        // It waits for a file, and handles the event when it is there.
        "until" => {
            while std::fs::metadata(argument).is_err() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // It fails until there is a file.
        "needs" if std::fs::metadata(argument).is_err() => bail!("`{argument}` is missing"),
        "answer" => return Ok(event["answer"].clone()),
        "environment" => {
            let names = event["names"].as_array().cloned().unwrap_or_default();
            let of = |name: &Value| std::env::var(name.as_str().unwrap_or_default()).unwrap_or_default();
            return Ok(names.iter().map(of).collect());
        }
        "headers" => {
            let names = ["deadline-ms", "invoked-function-arn", "trace-id", "aws-request-id"];
            return Ok(names.iter().map(|name| next.header(&format!("lambda-runtime-{name}"))).collect());
        }
        // It answers for an event that it was not given.
        "forge" => api.post("invocation/00000000-0000-4000-8000-000000000000/response", &json!("forged"))?,
        _ => {}
    }
    Ok(json!({ "echo": event, "pid": std::process::id() }))
}

impl Api {
    /// Whatever the answer is: the function has done its part.
    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let path = format!("{}/{path}", self.base);
        let answer = ask(self.port, "POST", &path, &[], Some(&body.to_string()), Duration::from_secs(30))?;
        writeln!(std::io::stderr(), "{path} was answered {}", answer.status)?;
        Ok(())
    }
}

fn seen(event: &Value) -> Result<()> {
    let Some(file) = std::env::var_os("SEEN") else { return Ok(()) };
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    file.write_all(format!("{event}\n").as_bytes())?;
    Ok(())
}
