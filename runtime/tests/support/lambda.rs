//! Lambda, as far as a function sees it: the Runtime API, one for each process, and a source of events on a queue.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::sendy::{Answer, send};
use super::{DEADLINE, Process, server};

pub const TRACE: &str =
    "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:1";

/// A function with as many processes as it has events at a time.
pub struct Function {
    variables: Vec<(String, String)>,
    idle: Mutex<Vec<Worker>>,
    /// The processes that were started, by their ids.
    started: Mutex<Vec<u32>>,
    /// The lines of the processes that have ended.
    lines: Mutex<Vec<String>>,
    timeout: Duration,
}

struct Worker {
    process: Process,
    jobs: Sender<Job>,
}

struct Job {
    event: String,
    deadline: SystemTime,
    answer: Sender<Outcome>,
}

type Outcome = Result<Value, Value>;

impl Function {
    pub fn new(handler: &str, timeout: Duration, variables: &[(&str, &str)]) -> Arc<Self> {
        let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: Vec<_> = variables.iter().map(of).collect();
        variables.push(("_HANDLER".to_owned(), handler.to_owned()));
        Arc::new(Function {
            variables,
            idle: Mutex::default(),
            started: Mutex::default(),
            lines: Mutex::default(),
            timeout,
        })
    }

    /// Hands an event to the function, and gives its answer. The error is the function's, or a text if it died.
    pub fn invoke(&self, event: &Value) -> Outcome {
        let mut worker = self.worker();
        let (answer, answered) = channel();
        let deadline = SystemTime::now() + self.timeout;
        worker.jobs.send(Job { event: event.to_string(), deadline, answer }).unwrap();
        let begun = Instant::now();
        loop {
            match answered.recv_timeout(Duration::from_millis(20)) {
                Ok(outcome) => {
                    self.idle.lock().unwrap().push(worker);
                    return outcome;
                }
                Err(RecvTimeoutError::Timeout) if !worker.process.has_ended() && begun.elapsed() < DEADLINE => {}
                Err(_) => {
                    self.bury(worker);
                    return Err(json!("the process ended"));
                }
            }
        }
    }

    /// Kills all processes as `kill -9` does.
    pub fn kill(&self) {
        for pid in self.started.lock().unwrap().drain(..) {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).output();
        }
    }

    /// All lines that the function has written.
    pub fn lines(&self) -> Vec<Value> {
        let mut all = self.lines.lock().unwrap().clone();
        for worker in self.idle.lock().unwrap().iter_mut() {
            worker.process.drain();
            all.extend(worker.process.seen.iter().cloned());
        }
        all.iter().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Keeps what a process has written, and forgets its id, which may soon be another one's.
    fn bury(&self, mut worker: Worker) {
        self.started.lock().unwrap().retain(|pid| *pid != worker.process.id());
        worker.process.kill();
        worker.process.drain();
        self.lines.lock().unwrap().append(&mut worker.process.seen);
    }

    fn worker(&self) -> Worker {
        while let Some(mut worker) = self.idle.lock().unwrap().pop() {
            if !worker.process.has_ended() {
                return worker;
            }
            self.bury(worker);
        }
        let (jobs, taken) = channel::<Job>();
        let (taken, waiting) = (Arc::new(Mutex::new(taken)), Arc::new(Mutex::new(None::<Sender<Outcome>>)));
        let count = Arc::new(AtomicU64::new(0));
        let api = server(move |received| {
            let body = || serde_json::from_slice(&received.body).unwrap();
            let answer = |outcome: Outcome| {
                if let Some(waiting) = waiting.lock().unwrap().take() {
                    let _ = waiting.send(outcome);
                }
                (202, String::new(), "{}".to_owned())
            };
            if received.line.contains("/init/error") {
                // The process ends now. The next event has the reason.
                let reason: Value = body();
                if let Ok(job) = taken.lock().unwrap().recv() {
                    let _ = job.answer.send(Err(reason));
                }
                return (202, String::new(), "{}".to_owned());
            }
            if received.line.contains("/error ") {
                return answer(Err(body()));
            }
            if received.line.contains("/response ") {
                return answer(Ok(body()));
            }
            let Ok(job) = taken.lock().unwrap().recv() else { return (500, String::new(), String::new()) };
            *waiting.lock().unwrap() = Some(job.answer);
            let deadline = job.deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            let id = count.fetch_add(1, Ordering::Relaxed);
            let headers = format!(
                "lambda-runtime-aws-request-id: r{id}\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
                 lambda-runtime-trace-id: {TRACE}\r\n"
            );
            (200, headers, job.event)
        });
        // A path behind the port, as a local Lambda gives it.
        let api = format!("{api}/function/token");
        let mut variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        variables.push(("AWS_LAMBDA_RUNTIME_API", &api));
        let process = Process::start(&[], &variables);
        self.started.lock().unwrap().push(process.id());
        Worker { process, jobs }
    }
}

/// An event of an HTTP API, in payload format 2.0.
pub fn http_event(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Value {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let headers: BTreeMap<&str, &str> = headers.iter().copied().chain([("host", "x")]).collect();
    json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query, "headers": headers,
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "stage": "$default", "requestId": "id",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "" }
        },
        "body": body, "isBase64Encoded": false
    })
}

/// The answer of a function to a request, as a client gets it.
pub fn ask(function: &Function, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    match function.invoke(&http_event(method, path, headers, body)) {
        Ok(answer) => {
            let headers = answer["headers"].as_object().unwrap();
            let headers = headers.iter().map(|(name, value)| format!("{name}: {}", value.as_str().unwrap()));
            Answer {
                status: answer["statusCode"].as_u64().unwrap().try_into().unwrap(),
                head: headers.collect::<Vec<_>>().join("\r\n"),
                body: answer["body"].as_str().unwrap().to_owned(),
            }
        }
        Err(error) => {
            let body = json!({ "message": "Internal Server Error", "why": error }).to_string();
            Answer { status: 500, head: String::new(), body }
        }
    }
}

/// Hands the messages of a queue to a function, and deletes those that it has handled.
pub struct Source {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Source {
    /// `sqs` is the port of the queue service. Of the messages that were handled, every `forgets`-th is not deleted, and
    /// so comes again.
    pub fn start(sqs: u16, queue: &str, function: &Arc<Function>, forgets: Option<usize>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, queue, function) = (Arc::clone(&stop), queue.to_owned(), Arc::clone(function));
        let poll = move || {
            let mut deleted = 0;
            while !stopped.load(Ordering::Relaxed) {
                let received = call(
                    sqs,
                    "ReceiveMessage",
                    &json!({
                        "QueueUrl": queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1,
                        "MessageAttributeNames": ["All"], "AttributeNames": ["All"],
                    }),
                );
                let messages = received.map(|received| received["Messages"].clone()).unwrap_or_default();
                match messages.as_array().filter(|messages| !messages.is_empty()) {
                    Some(messages) => {
                        for handle in hand_over(&function, messages) {
                            deleted += 1;
                            if forgets.is_none_or(|forgets| deleted % forgets != 0) {
                                let body = json!({ "QueueUrl": queue, "ReceiptHandle": handle });
                                call(sqs, "DeleteMessage", &body);
                            }
                        }
                    }
                    None => thread::sleep(Duration::from_millis(20)),
                }
            }
        };
        Source { stop, thread: Some(thread::spawn(poll)) }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// An event with the messages of a queue.
pub fn queue_event(messages: &[Value]) -> Value {
    let record = |message: &Value| {
        let own = message["MessageAttributes"].as_object().cloned().unwrap_or_default();
        let attributes: BTreeMap<String, Value> = own
            .into_iter()
            .map(|(name, own)| {
                (
                    name,
                    json!({
                        "stringValue": own["StringValue"], "dataType": own["DataType"], "stringListValues": [],
                        "binaryListValues": [],
                    }),
                )
            })
            .collect();
        json!({
            "messageId": message["MessageId"], "receiptHandle": message["ReceiptHandle"], "body": message["Body"],
            "attributes": message["Attributes"], "messageAttributes": attributes, "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:ap-northeast-2:123456789012:queue",
            "awsRegion": "ap-northeast-2",
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() })
}

/// A call of the queue service. `None` if it is away.
pub fn call(sqs: u16, action: &str, body: &Value) -> Option<Value> {
    let target = format!("AmazonSQS.{action}");
    let headers = [("x-amz-target", target.as_str()), ("authorization", "none")];
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], sqs));
    std::net::TcpStream::connect(address).ok()?;
    let answer = send(address, "POST", "/", &headers, &body.to_string());
    (answer.status == 200).then(|| serde_json::from_str(&answer.body).unwrap_or_default())
}

/// Hands messages over, and gives the receipts of those that were handled.
fn hand_over<'a>(function: &Function, messages: &'a [Value]) -> Vec<&'a Value> {
    let Ok(answer) = function.invoke(&queue_event(messages)) else { return Vec::new() };
    let failures = answer["batchItemFailures"].as_array().cloned().unwrap_or_default();
    let is_done = |message: &&Value| failures.iter().all(|failure| failure["itemIdentifier"] != message["MessageId"]);
    messages.iter().filter(is_done).map(|message| &message["ReceiptHandle"]).collect()
}
