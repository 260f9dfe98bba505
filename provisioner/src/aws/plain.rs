//! One request to an address that a stack has: it is not signed, and not limited.

use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// The status of the answer to `GET url`.
pub async fn get(url: &str, within: Duration) -> Result<u16, String> {
    let connector = Connector::builder()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
        .proxy_config(ProxyConfig::from_env())
        .build();
    let request = HttpRequest::get(url).map_err(|error| format!("`{url}` is not an address: {error}"))?;
    match tokio::time::timeout(within, connector.call(request)).await {
        Ok(Ok(answer)) => Ok(answer.status().as_u16()),
        Ok(Err(error)) => Err(format!("{error:?}")),
        Err(_) => Err(format!("no answer within {} s", within.as_secs())),
    }
}
