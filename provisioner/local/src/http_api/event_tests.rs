use std::collections::BTreeMap;

use hyper::Request;
use serde_json::{Value, json};

use super::*;
use crate::http_api::routes::Routes;

fn told(request: Request<&'static [u8]>, key: &str) -> Value {
    let routes = BTreeMap::from([(key.to_owned(), "f".to_owned())]);
    let routes = Routes::parse(routes.iter()).unwrap();
    let config = Config { id: "r3pmxmplak".into(), account: "123456789012".into(), ..Config::default() };
    let (head, body) = request.into_parts();
    let path = segments(head.uri.path()).unwrap();
    let found = routes.find(head.method.as_str(), &path).unwrap();
    let around = Around {
        config: &config,
        from: "205.255.255.176:1234".parse().unwrap(),
        port: 443,
        id: "JKJaXmPLvHcESHA=",
        trace: "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
        at: 1_783_711_145_123,
    };
    serde_json::to_value(event(&head, &Bytes::from_static(body), &path, found, &around)).unwrap()
}

/// What API Gateway made of the same request, as others have recorded it. Its own names are those of this test.
#[test]
fn the_event_is_that_of_api_gateway() {
    let request = Request::get("/capture/space%20value?repeat=one&repeat=two&plus=a+b&e=&%ED%95%9C=%EA%B8%80")
        .header("Host", "r3pmxmplak.execute-api.us-east-2.amazonaws.com")
        .header("X-Twice", "first")
        .header("X-Twice", "second")
        .header("Cookie", "a=1; b=2")
        .header("User-Agent", "curl/8")
        .header("Connection", "close")
        .body(&b""[..])
        .unwrap();
    let recorded = json!({
        "version": "2.0",
        "routeKey": "GET /capture/{proxy+}",
        "rawPath": "/capture/space value",
        "rawQueryString": "repeat=one&repeat=two&plus=a+b&e=&%ED%95%9C=%EA%B8%80",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "content-length": "0",
            "host": "r3pmxmplak.execute-api.us-east-2.amazonaws.com",
            "user-agent": "curl/8",
            "x-amzn-trace-id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            "x-forwarded-for": "205.255.255.176",
            "x-forwarded-port": "443",
            // The API of this machine is not behind TLS.
            "x-forwarded-proto": "http",
            "x-twice": "first,second",
        },
        "queryStringParameters": { "repeat": "one,two", "plus": "a b", "e": "", "한": "글" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "r3pmxmplak",
            "domainName": "r3pmxmplak.execute-api.us-east-2.amazonaws.com",
            "domainPrefix": "r3pmxmplak",
            "http": {
                "method": "GET",
                "path": "/capture/space value",
                "protocol": "HTTP/1.1",
                "sourceIp": "205.255.255.176",
                "userAgent": "curl/8",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /capture/{proxy+}",
            "stage": "$default",
            "time": "10/Jul/2026:19:19:05 +0000",
            "timeEpoch": 1_783_711_145_123_u64,
        },
        "pathParameters": { "proxy": "space value" },
        "isBase64Encoded": false,
    });
    assert_eq!(told(request, "GET /capture/{proxy+}"), recorded);
}

#[test]
fn a_field_without_a_value_is_absent() {
    let event = told(Request::get("/a").header("Host", "127.0.0.1:80").body(&b""[..]).unwrap(), "$default");
    for field in ["cookies", "queryStringParameters", "pathParameters", "body", "stageVariables"] {
        assert_eq!(event.get(field), None, "{field}");
    }
    assert_eq!(event["rawQueryString"], "");
    assert_eq!(event["requestContext"]["domainName"], "127.0.0.1:80");
    assert_eq!(event["requestContext"]["http"]["userAgent"], "");
}

#[test]
fn texts_are_text_and_the_rest_is_base64() {
    let body = |kind: &str, body: &'static [u8]| {
        let event = told(Request::post("/a").header("Content-Type", kind).body(body).unwrap(), "$default");
        assert_eq!(event["headers"]["content-length"], body.len().to_string());
        (event["body"].clone(), event["isBase64Encoded"].clone())
    };
    for kind in ["application/json", "Application/JSON; charset=utf-8", "text/plain", "application/problem+json"] {
        assert_eq!(body(kind, "{\"부산\":1}".as_bytes()), (json!("{\"부산\":1}"), json!(false)), "{kind}");
    }
    for kind in ["application/x-www-form-urlencoded", "application/octet-stream", "image/png", ""] {
        assert_eq!(body(kind, b"a=b"), (json!("YT1i"), json!(true)), "{kind}");
    }
    assert_eq!(body("text/plain", b"\xff\0"), (json!("/wA="), json!(true)));
}

#[test]
fn paths_are_decoded_in_segments() {
    let of = |path: &str| segments(path);
    assert_eq!(of("/"), Some(vec![]));
    assert_eq!(of("/a%2Fb/%ED%95%9C"), Some(vec!["a/b".to_owned(), "한".to_owned()]));
    assert_eq!(of("/a/"), Some(vec!["a".to_owned(), String::new()]));
    for wrong in ["/%", "/%4", "/%zz", "/%+1", "/%ff", "/%한"] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}
