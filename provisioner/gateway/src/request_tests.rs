use super::*;

pub(crate) fn form(service: &str, body: &str) -> Request {
    signed(service, "POST", "/", &[("content-type", "application/x-www-form-urlencoded")], body)
}

pub(crate) fn json(service: &str, action: &str, body: Value) -> Request {
    signed(service, "POST", "/", &[("x-amz-target", &format!("X.{action}"))], &body.to_string())
}

pub(crate) fn signed(service: &str, method: &str, target: &str, more: &[(&str, &str)], body: &str) -> Request {
    let scope =
        format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0");
    let mut headers = vec![("authorization".to_owned(), scope)];
    headers.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    Request::read(method, target, headers, Bytes::from(body.to_owned()))
}

#[test]
fn names_forms() {
    let request = form(
        "elasticloadbalancing",
        "Action=CreateLoadBalancer&Subnets.member.2=b&Subnets.member.1=a&Tags.member.1.Key=k&Tags.member.1.Value=v+w",
    );
    assert_eq!(
        (request.service.as_str(), request.action.as_str(), request.protocol),
        ("elbv2", "CreateLoadBalancer", Protocol::Query)
    );
    assert_eq!(request.list("Subnets"), ["a", "b"]);
    assert_eq!(request.tags(), [("k".to_owned(), "v w".to_owned())]);
    assert_eq!(request.region, "eu-west-1");
    assert!(request.write());
}

#[test]
fn names_targets_and_cbor() {
    let request = json("ecs", "DescribeServices", serde_json::json!({"cluster": "c", "services": ["s"]}));
    assert_eq!((request.action.as_str(), request.protocol, request.write()), ("DescribeServices", Protocol::Json, false));
    let request = signed("monitoring", "POST", "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm", &[], "");
    assert_eq!(
        (request.service.as_str(), request.action.as_str(), request.protocol),
        ("cloudwatch", "PutMetricAlarm", Protocol::Cbor)
    );
}

#[test]
fn names_paths() {
    let request = signed("lambda", "PUT", "/2015-03-31/functions/f/configuration", &[], "{\"Timeout\":3}");
    assert_eq!((request.action.as_str(), request.text("FunctionName")), ("UpdateFunctionConfiguration", Some("f")));
    let request = signed("es", "POST", "/2021-01-01/opensearch/domain/d/config", &[], "{}");
    assert_eq!((request.service.as_str(), request.action.as_str(), request.write()), ("opensearch", "UpdateDomainConfig", true));
    let request = signed("lambda", "GET", "/2015-03-31/event-source-mappings/?FunctionName=f", &[], "");
    assert_eq!((request.action.as_str(), request.text("FunctionName")), ("ListEventSourceMappings", Some("f")));
}

#[test]
fn knows_the_lease() {
    assert!(json("dynamodb", "PutItem", serde_json::json!({"TableName": "provision-leases"})).lease());
}
