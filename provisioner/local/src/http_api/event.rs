//! A request as the event of a function, in payload format 2.0.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, COOKIE, HOST, HeaderMap, TE, TRANSFER_ENCODING, UPGRADE, USER_AGENT};
use hyper::http::request::Parts;
use serde::Serialize;
use time::OffsetDateTime;

use super::config::Config;
use super::routes::Found;

/// The fields in the order that API Gateway has.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    version: &'static str,
    route_key: String,
    raw_path: String,
    raw_query_string: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query_string_parameters: BTreeMap<String, String>,
    request_context: Context,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    path_parameters: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    account_id: String,
    api_id: String,
    domain_name: String,
    domain_prefix: String,
    http: Http,
    request_id: String,
    route_key: String,
    stage: &'static str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    path: String,
    protocol: String,
    source_ip: String,
    user_agent: String,
}

/// The facts about a request that are not in it.
pub struct Around<'a> {
    pub config: &'a Config,
    pub from: SocketAddr,
    pub port: u16,
    pub id: &'a str,
    pub trace: &'a str,
    /// The time in milliseconds since 1970.
    pub at: u64,
}

pub fn event(head: &Parts, body: &Bytes, path: &[String], found: Found<'_>, around: &Around<'_>) -> Event {
    let raw_path = format!("/{}", path.join("/"));
    let query = head.uri.query().unwrap_or_default();
    let host = header(&head.headers, HOST.as_str()).or_else(|| head.uri.authority().map(ToString::to_string));
    let host = host.unwrap_or_default();
    let mut headers = headers(&head.headers);
    let forwarded = headers.get("x-forwarded-for").map(|before| format!("{before}, ")).unwrap_or_default();
    for (name, value) in [
        ("content-length", body.len().to_string()),
        ("host", host.clone()),
        ("x-amzn-trace-id", around.trace.to_owned()),
        ("x-forwarded-for", format!("{forwarded}{}", around.from.ip())),
        ("x-forwarded-port", around.port.to_string()),
        ("x-forwarded-proto", "http".to_owned()),
    ] {
        headers.insert(name.to_owned(), value);
    }
    let (body, is_base64_encoded) = text(&head.headers, body);
    let http = Http {
        method: head.method.to_string(),
        path: raw_path.clone(),
        protocol: format!("{:?}", head.version),
        source_ip: around.from.ip().to_string(),
        user_agent: header(&head.headers, USER_AGENT.as_str()).unwrap_or_default(),
    };
    let request_context = Context {
        account_id: around.config.account.clone(),
        api_id: around.config.id.clone(),
        domain_prefix: host.split(['.', ':']).next().unwrap_or_default().to_owned(),
        domain_name: host,
        http,
        request_id: around.id.to_owned(),
        route_key: found.route.key.clone(),
        stage: "$default",
        time: time(around.at),
        time_epoch: around.at,
    };
    Event {
        version: "2.0",
        route_key: found.route.key.clone(),
        raw_path,
        raw_query_string: query.to_owned(),
        cookies: cookies(&head.headers),
        headers,
        query_string_parameters: parameters(query),
        request_context,
        path_parameters: found.parameters,
        body,
        is_base64_encoded,
    }
}

/// The segments of a path, each decoded. `None` if a path is not encoded as it should be.
pub fn segments(path: &str) -> Option<Vec<String>> {
    let rest = path.strip_prefix('/').unwrap_or(path);
    if rest.is_empty() {
        return Some(Vec::new());
    }
    rest.split('/').map(decoded).collect()
}

fn decoded(text: &str) -> Option<String> {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        if *byte != b'%' {
            decoded.push(*byte);
            at += 1;
            continue;
        }
        let digits = text.get(at + 1..at + 3).filter(|digits| !digits.starts_with('+'))?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        at += 3;
    }
    String::from_utf8(decoded).ok()
}

/// The headers without those that concern one connection only, and without the cookies, which have a field of their
/// own. A header that comes twice is one, with a comma between the values.
fn headers(all: &HeaderMap) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in all {
        if [CONNECTION, COOKIE, TE, TRANSFER_ENCODING, UPGRADE].contains(name) || name == "keep-alive" {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes());
        match joined.get_mut(name.as_str()) {
            Some(before) => {
                before.push(',');
                before.push_str(&value);
            }
            None => drop(joined.insert(name.as_str().to_owned(), value.into_owned())),
        }
    }
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let all: Vec<String> = all.collect();
    all.iter()
        .flat_map(|line| line.split(';'))
        .map(|cookie| cookie.trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut joined: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match joined.get_mut(name.as_ref()) {
            Some(before) => {
                before.push(',');
                before.push_str(&value);
            }
            None => drop(joined.insert(name.into_owned(), value.into_owned())),
        }
    }
    joined
}

/// The body as text, or in base64 if it is not of a type for texts.
fn text(headers: &HeaderMap, body: &Bytes) -> (Option<String>, bool) {
    if body.is_empty() {
        return (None, false);
    }
    let kind = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default().to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    match std::str::from_utf8(body) {
        Ok(text) if is_text => (Some(text.to_owned()), false),
        _ => (Some(STANDARD.encode(body)), true),
    }
}

/// The time in the form of access logs: `10/Jul/2026:19:19:05 +0000`.
fn time(at: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp((at / 1000) as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let month = time.month().to_string();
    let (hour, minute, second) = time.to_hms();
    format!("{:02}/{}/{}:{hour:02}:{minute:02}:{second:02} +0000", time.day(), &month[..3], time.year())
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
