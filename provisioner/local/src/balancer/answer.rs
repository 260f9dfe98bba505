//! The balancer's own answers, in the words of an ALB.

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::{Response, StatusCode};

use super::idle::Body;

pub fn fixed(status: StatusCode) -> Response<Body> {
    let text = match status {
        // No rule fits. The listener of our stacks has this answer for that.
        StatusCode::NOT_FOUND => String::new(),
        StatusCode::GATEWAY_TIMEOUT => page("504 Gateway Time-out"),
        StatusCode::SERVICE_UNAVAILABLE => page("503 Service Temporarily Unavailable"),
        _ => page(&format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default())),
    };
    let kind = if text.is_empty() { "text/plain; charset=utf-8" } else { "text/html" };
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = status;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("awselb/2.0"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn page(title: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n\
         </html>\r\n"
    )
}
