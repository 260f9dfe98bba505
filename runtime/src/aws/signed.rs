//! Requests that are signed with Signature Version 4, for the few calls that do not need an SDK.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::time::SystemTime;

use anyhow::Context;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Uri};

use crate::config::Aws;

/// Makes a signed request. `base` is the scheme and the authority. The signature covers the headers and the body.
pub fn request(
    aws: &Aws,
    service: &str,
    method: Method,
    base: &Uri,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let body = body.into();
    let base = base.to_string();
    let uri = format!("{}{path}", base.trim_end_matches('/'));
    let identity = aws.credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(&aws.region)
        .name(service)
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let signable = SignableRequest::new(method.as_str(), &uri, headers.iter().copied(), SignableBody::Bytes(&body))?;
    let (instructions, _) = sign(signable, &parameters).context("signing")?.into_parts();

    let mut request = Request::builder().method(method).uri(&uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Full::from(body))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request)
}
