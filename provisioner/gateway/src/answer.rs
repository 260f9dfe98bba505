//! An answer, parsed once so that it can be rewritten, and errors in the words of each protocol.

use crate::request::{Protocol, Request};
use crate::xml::{self, Element};
use bytes::Bytes;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub enum Body {
    Xml(Element),
    Json(Value),
    Raw(Bytes),
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Body,
}

/// An error as AWS would word it.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    pub status: u16,
    pub code: String,
    pub message: String,
}

pub fn fault(status: u16, code: &str, message: impl Into<String>) -> Fault {
    Fault { status, code: code.to_owned(), message: message.into() }
}

impl Answer {
    pub fn parse(request: &Request, status: u16, headers: Vec<(String, String)>, bytes: Bytes) -> Self {
        let text = std::str::from_utf8(&bytes).ok();
        let body = match request.protocol {
            Protocol::Json | Protocol::RestJson => text.and_then(|t| serde_json::from_str(t).ok()).map(Body::Json),
            Protocol::Query | Protocol::Ec2 => text.and_then(xml::parse).map(Body::Xml),
            Protocol::RestXml | Protocol::Cbor => None,
        };
        Answer { status, headers, body: body.unwrap_or(Body::Raw(bytes)) }
    }

    /// A success that the gateway makes itself, in the protocol of the request.
    pub fn json(request: &Request, value: Value) -> Self {
        let kind = if request.protocol == Protocol::RestJson { "application/json" } else { "application/x-amz-json-1.1" };
        Answer { status: 200, headers: vec![("content-type".to_owned(), kind.to_owned())], body: Body::Json(value) }
    }

    /// A success of a query service that the gateway makes itself: `<ActionResponse><ActionResult>...`.
    pub fn xml(request: &Request, result: Vec<Element>) -> Self {
        let mut root = Element::new(&format!("{}Response", request.action));
        if request.protocol == Protocol::Ec2 {
            root.children = result;
            root.children.push(Element::with_text("requestId", "gateway"));
        } else {
            let mut inner = Element::new(&format!("{}Result", request.action));
            inner.children = result;
            root.children.push(inner);
            let mut meta = Element::new("ResponseMetadata");
            meta.set("RequestId", "gateway");
            root.children.push(meta);
        }
        Answer { status: 200, headers: vec![("content-type".to_owned(), "text/xml".to_owned())], body: Body::Xml(root) }
    }

    pub fn error(request: &Request, fault: &Fault) -> Self {
        let Fault { status, code, message } = fault;
        let side = if *status < 500 { "Sender" } else { "Receiver" };
        let mut headers = vec![("x-amzn-requestid".to_owned(), "gateway".to_owned())];
        let mut kind = "text/xml";
        let body = match request.protocol {
            Protocol::Ec2 => Body::Raw(Bytes::from(format!(
                "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors><RequestID>gateway</RequestID></Response>",
                xml::escape(code),
                xml::escape(message)
            ))),
            Protocol::Query | Protocol::RestXml => Body::Raw(Bytes::from(format!(
                "<ErrorResponse><Error><Type>{side}</Type><Code>{}</Code><Message>{}</Message></Error><RequestId>gateway</RequestId></ErrorResponse>",
                xml::escape(code),
                xml::escape(message)
            ))),
            Protocol::Cbor => {
                kind = "application/cbor";
                headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
                let mut bytes = Vec::new();
                // Writing into memory cannot fail.
                let _ = ciborium::into_writer(&json!({"__type": code, "message": message}), &mut bytes);
                Body::Raw(Bytes::from(bytes))
            }
            Protocol::RestJson => {
                kind = "application/json";
                headers.push(("x-amzn-errortype".to_owned(), code.clone()));
                Body::Json(json!({"message": message, "Message": message}))
            }
            Protocol::Json => {
                kind = request.header("content-type").unwrap_or("application/x-amz-json-1.1");
                let mut shape = code.as_str();
                if request.service == "sqs" {
                    // SQS names a new shape in the body and its old query code in a header; the SDK prefers the old one.
                    headers.push(("x-amzn-query-error".to_owned(), format!("{code};{side}")));
                    shape = match code.rsplit('.').next().unwrap_or(code) {
                        "NonExistentQueue" => "com.amazonaws.sqs#QueueDoesNotExist",
                        "QueueDeletedRecently" => "com.amazonaws.sqs#QueueDeletedRecently",
                        _ => shape,
                    };
                } else {
                    headers.push(("x-amzn-errortype".to_owned(), code.clone()));
                }
                Body::Json(json!({"__type": shape, "message": message, "Message": message}))
            }
        };
        headers.push(("content-type".to_owned(), kind.to_owned()));
        Answer { status: *status, headers, body }
    }

    pub fn ok(&self) -> bool {
        self.status < 300
    }

    pub fn xml_body(&self) -> Option<&Element> {
        match &self.body {
            Body::Xml(root) => Some(root),
            _ => None,
        }
    }

    pub fn xml_body_mut(&mut self) -> Option<&mut Element> {
        match &mut self.body {
            Body::Xml(root) => Some(root),
            _ => None,
        }
    }

    pub fn json_body(&self) -> Option<&Value> {
        match &self.body {
            Body::Json(value) => Some(value),
            _ => None,
        }
    }

    pub fn json_body_mut(&mut self) -> Option<&mut Value> {
        match &mut self.body {
            Body::Json(value) => Some(value),
            _ => None,
        }
    }

    /// The text of the first element of that name in an XML answer.
    pub fn xml_text(&self, name: &str) -> Option<&str> {
        self.xml_body()?.find(name).map(|element| element.text.as_str())
    }

    /// The text at a JSON pointer such as `/service/serviceArn`.
    pub fn json_text(&self, pointer: &str) -> Option<&str> {
        self.json_body()?.pointer(pointer)?.as_str()
    }

    pub fn bytes(&self) -> Bytes {
        match &self.body {
            Body::Xml(root) => Bytes::from(root.print()),
            Body::Json(value) => Bytes::from(value.to_string()),
            Body::Raw(bytes) => bytes.clone(),
        }
    }

    /// The error code of a failed call.
    pub fn code(&self) -> Option<String> {
        if self.ok() {
            return None;
        }
        for (name, value) in &self.headers {
            if name.eq_ignore_ascii_case("x-amzn-errortype") {
                return Some(value.split(':').next().unwrap_or(value).to_owned());
            }
        }
        match &self.body {
            Body::Xml(root) => root.find("Code").map(|code| code.text.clone()),
            Body::Json(value) => {
                let code = value.get("__type").or(value.get("code"))?.as_str()?;
                Some(code.rsplit('#').next().unwrap_or(code).to_owned())
            }
            Body::Raw(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                xml::parse(&text)?.find("Code").map(|code| code.text.clone())
            }
        }
    }
}

/// The errors that any service may give, in its own code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Common {
    Throttle,
    Internal,
    Unavailable,
    Denied,
    Expired,
}

pub fn common(request: &Request, which: Common) -> Fault {
    let xml = matches!(request.protocol, Protocol::Query | Protocol::Ec2 | Protocol::RestXml);
    let ec2 = request.service == "ec2";
    let rest = request.protocol == Protocol::RestJson;
    match which {
        Common::Throttle if ec2 => fault(503, "RequestLimitExceeded", "Request limit exceeded."),
        Common::Throttle if rest => fault(429, "TooManyRequestsException", "Rate Exceeded."),
        Common::Throttle if xml => fault(400, "Throttling", "Rate exceeded"),
        Common::Throttle => fault(400, "ThrottlingException", "Rate exceeded"),
        Common::Internal if ec2 => fault(500, "InternalError", "An internal error has occurred"),
        Common::Internal if xml => fault(500, "InternalFailure", "An internal error has occurred"),
        Common::Internal => fault(500, "InternalServerError", "An internal error has occurred"),
        Common::Unavailable if ec2 => fault(503, "Unavailable", "The service is unavailable. Please try again shortly."),
        Common::Unavailable => fault(503, "ServiceUnavailable", "The service is unavailable. Please try again shortly."),
        Common::Denied if ec2 => fault(403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
        Common::Denied => fault(
            if xml { 403 } else { 400 },
            if xml { "AccessDenied" } else { "AccessDeniedException" },
            format!(
                "User: arn:aws:iam::123456789012:user/test is not authorized to perform: {}:{}",
                request.service, request.action
            ),
        ),
        Common::Expired if xml => fault(403, "ExpiredToken", "The security token included in the request is expired"),
        Common::Expired => fault(400, "ExpiredTokenException", "The security token included in the request is expired"),
    }
}
