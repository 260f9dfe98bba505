//! Calls of functions. Without a container engine, moto answers each call with a fixed text, and ministack starts the
//! package as a process that reaches nothing of the stack. The gateway answers as a function that succeeds, or that
//! fails on order (`lambda.call`).

use crate::account::last_part;
use crate::answer::{Answer, fault};
use crate::request::Request;
use crate::server::Shared;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

pub(super) fn before(shared: &Shared, request: &Request) -> Option<Answer> {
    let name = last_part(request.text("FunctionName")?);
    let state = shared.state();
    if state.account.get(&request.home, "lambda.function", &name).is_none() {
        let missing = fault(404, "ResourceNotFoundException", format!("Function not found: {name}"));
        return Some(Answer::error(request, &missing));
    }
    let mut log = String::from("START RequestId: 1 Version: $LATEST\n");
    let (body, failed) = match state.pace.fails("lambda.call", &name) {
        true => {
            log.push_str("{\"level\":\"error\",\"event\":\"failed\",\"message\":\"failed on order\"}\n");
            (json!({"errorType": "Ordered", "errorMessage": "failed on order", "stackTrace": []}), true)
        }
        false => (json!({"applied": []}), false),
    };
    log.push_str("END RequestId: 1\nREPORT RequestId: 1\tDuration: 1.00 ms\n");
    let mut answer = Answer::json(request, body);
    answer.headers.push(("x-amz-executed-version".to_owned(), "$LATEST".to_owned()));
    answer.headers.push(("x-amz-log-result".to_owned(), STANDARD.encode(log)));
    if failed {
        answer.headers.push(("x-amz-function-error".to_owned(), "Unhandled".to_owned()));
    }
    Some(answer)
}
