//! CORS. The API answers a browser's question itself, and replaces what functions say about it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html>

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, Response, StatusCode};

use super::config::Cors;
use crate::listen::Answer;

/// Whether a browser asks what a page of another site may do.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

pub fn preflight(cors: &Cors, headers: &HeaderMap) -> Answer {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if add(cors, headers, response.headers_mut()) {
        let told = response.headers_mut();
        insert(told, ACCESS_CONTROL_ALLOW_METHODS, &cors.methods.join(","));
        insert(told, ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers.join(","));
        insert(told, ACCESS_CONTROL_MAX_AGE, &cors.max_age_seconds.map(|it| it.to_string()).unwrap_or_default());
    }
    response
}

/// Replaces the headers about CORS in an answer. Returns whether pages of the asking site may see it.
pub fn add(cors: &Cors, asked: &HeaderMap, told: &mut HeaderMap) -> bool {
    let about: Vec<HeaderName> =
        told.keys().filter(|name| name.as_str().starts_with("access-control-")).cloned().collect();
    for name in about {
        told.remove(name);
    }
    let Some(origin) = asked.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else { return false };
    let is_any = cors.origins.iter().any(|allowed| allowed == "*");
    if !is_any && !cors.origins.iter().any(|allowed| matches(allowed, origin)) {
        return false;
    }
    insert(told, ACCESS_CONTROL_ALLOW_ORIGIN, if is_any { "*" } else { origin });
    if !is_any {
        told.append(VARY, HeaderValue::from_static("origin"));
    }
    if cors.credentials {
        insert(told, ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    insert(told, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.exposed_headers.join(","));
    true
}

/// `https://*` and `http://*` are all sites of that scheme.
fn matches(allowed: &str, origin: &str) -> bool {
    match allowed.strip_suffix('*') {
        Some(scheme) if scheme.ends_with("://") => origin.starts_with(scheme),
        _ => allowed.eq_ignore_ascii_case(origin),
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value)
        && !value.is_empty()
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_static(origin));
        headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        headers
    }

    #[test]
    fn a_browser_is_told_what_pages_may_do() {
        let strings = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let cors = Cors {
            origins: strings(&["https://shop.example"]),
            methods: strings(&["GET", "PUT"]),
            headers: strings(&["content-type", "x-api-key"]),
            max_age_seconds: Some(300),
            ..Cors::default()
        };
        let headers = asked("https://shop.example");
        assert!(is_preflight(&Method::OPTIONS, &headers) && !is_preflight(&Method::GET, &headers));
        assert!(!is_preflight(&Method::OPTIONS, &HeaderMap::new()));
        let answer = preflight(&cors, &headers);
        assert_eq!(answer.status(), 204);
        for (name, value) in [
            ("access-control-allow-origin", "https://shop.example"),
            ("access-control-allow-methods", "GET,PUT"),
            ("access-control-allow-headers", "content-type,x-api-key"),
            ("access-control-max-age", "300"),
        ] {
            assert_eq!(answer.headers()[name], value);
        }
        let other = preflight(&cors, &asked("https://other.example"));
        assert!(other.status() == 204 && other.headers().is_empty());
    }

    #[test]
    fn what_a_function_says_about_it_is_replaced() {
        let mut told = HeaderMap::new();
        told.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://own.example"));
        let any = Cors { origins: vec!["*".into()], ..Cors::default() };
        assert!(add(&any, &asked("https://a.example"), &mut told));
        assert_eq!(told[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let tls = Cors { origins: vec!["https://*".into()], ..Cors::default() };
        assert!(!add(&tls, &asked("http://a.example"), &mut told));
        assert!(!told.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(add(&tls, &asked("https://a.example"), &mut told));
    }
}
