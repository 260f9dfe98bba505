//! The page that shows the lines, and moves one on by hand.

use std::fmt::Write;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use hyper::StatusCode;
use serde_json::Value;

use super::Factory;
use super::jobs::{self, LAST, Line, STEPS};
use crate::data::database;
use crate::http::edge::{self, Caller};

/// The lines that the page shows.
const SHOWN: u32 = 200;

pub async fn show(State(factory): State<Arc<Factory>>, Extension(caller): Extension<Caller>) -> Response {
    match database::attempts(|| jobs::lines(&factory.database, SHOWN)).await {
        Ok(lines) => Html(render(&lines)).into_response(),
        Err(error) => unavailable(&caller, &error),
    }
}

pub async fn step(
    State(factory): State<Arc<Factory>>,
    Extension(caller): Extension<Caller>,
    Path(job): Path<String>,
) -> Response {
    match database::attempts(|| jobs::push(&factory.database, &job, factory.step)).await {
        Ok(true) => {
            factory.news.notify_one();
            Redirect::to("/factory").into_response()
        }
        Ok(false) => edge::refuse(StatusCode::NOT_FOUND, "there is no such line that goes on"),
        Err(error) => unavailable(&caller, &error),
    }
}

fn unavailable(caller: &Caller, error: &anyhow::Error) -> Response {
    caller.failed("lines.failed", error);
    edge::refuse(StatusCode::SERVICE_UNAVAILABLE, "the lines cannot be read at the moment")
}

fn render(lines: &[Line]) -> String {
    let mut rows = String::new();
    for line in lines {
        let request: Value = serde_json::from_str(&line.body).unwrap_or_default();
        let text = |name: &str| match &request[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let step = STEPS.iter().find(|(code, _)| *code == line.step).map_or("", |(_, word)| word);
        // The query of a URL may have a token in it.
        let callback = line.callback.as_deref().unwrap_or_default().split(['?', '#']).next().unwrap_or_default();
        let outcome = match (&line.outcome, line.attempts) {
            (Some(outcome), attempts) => format!("{outcome} ({attempts})"),
            (None, _) => String::new(),
        };
        let button = match (line.is_ended, line.step) {
            (true, _) => String::new(),
            (false, LAST) => button(&line.job, "Call back now"),
            (false, _) => button(&line.job, "Go 1 Step"),
        };
        let _ = writeln!(
            rows,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{step}</td><td>{}</td><td>{}</td><td>{button}</td></tr>",
            escaped(&line.job),
            escaped(&text("MessageAttributeRequester")),
            escaped(&text("MessageAttributeProductId")),
            escaped(&text("MessageAttributeProductCnt")),
            line.step,
            escaped(callback),
            escaped(&outcome),
        );
    }
    if lines.is_empty() {
        rows.push_str("<tr><td colspan=\"9\">No line runs.</td></tr>\n");
    }
    PAGE.replace("{rows}", &rows)
}

fn button(job: &str, text: &str) -> String {
    format!("<form method=\"post\" action=\"/factory/{}\"><button>{text}</button></form>", escaped(job))
}

/// A text in HTML.
pub fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() => html.push('\u{fffd}'),
            c => html.push(c),
        }
    }
    html
}

const PAGE: &str = include_str!("page.html");

#[cfg(test)]
mod tests {
    use super::*;

    fn line(requester: &str) -> Line {
        Line {
            job: "9a7c0c1e-0000-11f0-8000-010000000000".to_owned(),
            body: format!("{{\"MessageAttributeRequester\":{requester},\"MessageAttributeProductCnt\":10}}"),
            callback: Some("https://shop.example/stock?token=secret".to_owned()),
            step: 3,
            attempts: 0,
            is_ended: false,
            outcome: None,
        }
    }

    #[test]
    fn the_page_shows_the_lines_and_nothing_that_could_run() {
        let html = render(&[line("\"홍길동<script>alert(1)</script>\""), line("{\"a\":\"'\"}")]);
        for shown in
            ["공장진행상태", "홍길동&lt;script&gt;", "<td>생산</td>", "Go 1 Step", "https://shop.example/stock<"]
        {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert!(!html.contains("<script") && !html.contains("secret"), "{html}");
        let ended =
            Line { is_ended: true, step: LAST, outcome: Some("called back".to_owned()), attempts: 2, ..line("null") };
        let html = render(&[ended]);
        assert!(html.contains("called back (2)") && !html.contains("<button"), "{html}");
        let waits = Line { step: LAST, outcome: Some("answered 500".to_owned()), attempts: 1, ..line("null") };
        assert!(render(&[waits]).contains("Call back now"));
        assert!(render(&[]).contains("No line runs."));
    }
}
