//! Requests of the gateway's own, for repairs and probes.

use crate::request::Request;
use bytes::Bytes;
use serde_json::Value;

impl Request {
    /// Another request of the same caller.
    fn other(&self, signing: &str, method: &str, target: &str, more: &[(&str, &str)], body: &str) -> Request {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20260101/{}/{signing}/aws4_request, SignedHeaders=host, Signature=0",
            self.region
        );
        let mut headers = vec![("authorization".to_owned(), scope)];
        headers.extend(self.headers.iter().filter(|(name, _)| name == "host").cloned());
        headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Request::read(method, target, headers, Bytes::from(body.to_owned()))
    }

    pub(crate) fn to_ec2(&self, form: &str) -> Request {
        self.other("ec2", "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], form)
    }

    pub(crate) fn to_ecs(&self, action: &str, body: &Value) -> Request {
        let target = format!("AmazonEC2ContainerServiceV20141113.{action}");
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
        self.other("ecs", "POST", "/", &headers, &body.to_string())
    }

    pub(crate) fn to_sqs(&self, action: &str, body: &Value) -> Request {
        let target = format!("AmazonSQS.{action}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        self.other("sqs", "POST", "/", &headers, &body.to_string())
    }

    /// A request to the same service at another path.
    pub(crate) fn to_path(&self, method: &str, target: &str) -> Request {
        Request::read(method, target, self.headers.clone(), Bytes::new())
    }

    /// A request to the same service with another form, if it is wanted.
    pub(crate) fn with_body(&self, wanted: bool, form: &str) -> Option<Request> {
        wanted.then(|| Request::read(&self.method, &self.target, self.headers.clone(), Bytes::from(form.to_owned())))
    }

    /// A call of our own, to ask an emulator about itself.
    pub(crate) fn probe(signing: &str, target: &str, body: &str) -> Request {
        let nobody = Request::read("GET", "/", Vec::new(), Bytes::new());
        let nobody = Request { region: "eu-west-1".to_owned(), ..nobody };
        match target.split_once(' ') {
            Some((method, path)) if path.starts_with("/service/") => nobody.other(
                signing,
                method,
                path,
                &[("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")],
                body,
            ),
            Some((method, path)) => nobody.other(signing, method, path, &[("content-type", "application/json")], body),
            None if target.is_empty() => {
                nobody.other(signing, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], body)
            }
            None => nobody.other(
                signing,
                "POST",
                "/",
                &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)],
                body,
            ),
        }
    }
}
