//! A request: its service, action, protocol and parameters, read from the call of the SDK.

use crate::form::{decode, read_form};
use crate::rest::REST;
use bytes::Bytes;
use serde_json::{Map, Value};

/// How a service writes requests and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Json,
    Query,
    Ec2,
    RestJson,
    RestXml,
    Cbor,
}

/// One request with its name. Services have botocore's names (`elbv2`, `opensearch`, `cloudwatch`).
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path and query, as sent.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub service: String,
    pub action: String,
    pub protocol: Protocol,
    pub region: String,
    /// The region, and the account if the access key names one (12 digits). Resources are kept apart by it.
    pub home: String,
    /// The parameters: the form as a flat object, or the JSON or CBOR body, with what the path names added.
    pub params: Value,
}

/// The table of the product's own lease. Its calls are not part of any experiment.
pub const LEASE_TABLE: &str = "provision-leases";

const READS: &[&str] = &[
    "Describe",
    "List",
    "Get",
    "Head",
    "BatchGet",
    "BatchCheck",
    "Lookup",
    "Query",
    "Scan",
    "Search",
    "Simulate",
    "Validate",
    "Filter",
];

impl Request {
    pub fn read(method: &str, target: &str, headers: Vec<(String, String)>, body: Bytes) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let scope = find_header(&headers, "authorization").and_then(scope_of).unwrap_or_default();
        let mut request = Request {
            method: method.to_owned(),
            target: target.to_owned(),
            service: service_name(&scope.service).to_owned(),
            action: "Unknown".to_owned(),
            protocol: Protocol::RestXml,
            home: if scope.key.len() == 12 && scope.key.bytes().all(|b| b.is_ascii_digit()) {
                format!("{}/{}", scope.key, scope.region)
            } else {
                scope.region.clone()
            },
            region: scope.region,
            params: Value::Object(Map::new()),
            headers,
            body,
        };
        let form = request.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
            || request.body.starts_with(b"Action=");
        if let Some((_, operation)) = path.strip_prefix("/service/").and_then(|rest| rest.split_once("/operation/")) {
            request.action = operation.to_owned();
            request.protocol = Protocol::Cbor;
            request.params = ciborium::from_reader::<Value, _>(&request.body[..]).unwrap_or_default();
        } else if let Some(action) = request.header("x-amz-target").map(|t| t.rsplit('.').next().unwrap_or(t).to_owned()) {
            request.action = action;
            request.protocol = Protocol::Json;
            request.params = serde_json::from_slice(&request.body).unwrap_or_default();
        } else if form {
            request.params = Value::Object(read_form(&String::from_utf8_lossy(&request.body)));
            request.action = request.text("Action").unwrap_or("Unknown").to_owned();
            request.protocol = if request.service == "ec2" { Protocol::Ec2 } else { Protocol::Query };
        } else {
            request.read_rest(path, query);
        }
        request
    }

    fn read_rest(&mut self, path: &str, query: &str) {
        if !REST.iter().any(|(service, ..)| *service == self.service) {
            return;
        }
        self.protocol = Protocol::RestJson;
        let mut params = match serde_json::from_slice(&self.body) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        };
        params.extend(read_form(query));
        let path: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        for (service, method, template, action) in REST {
            let template: Vec<&str> = template.split('/').collect();
            let fits = *service == self.service
                && *method == self.method
                && template.len() == path.len()
                && template.iter().zip(&path).all(|(want, have)| want.starts_with('{') || want == have);
            if fits {
                self.action = (*action).to_owned();
                for (want, have) in template.iter().zip(&path) {
                    if let Some(name) = want.strip_prefix('{') {
                        params.insert(name.trim_end_matches('}').to_owned(), Value::String(decode(have)));
                    }
                }
            }
        }
        self.params = Value::Object(params);
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    pub fn is(&self, service: &str, actions: &[&str]) -> bool {
        self.service == service && actions.contains(&self.action.as_str())
    }

    /// Whether the request changes something that lasts. The parts of an upload do not: if the upload is cut off,
    /// nobody ever sees them. So a kill there is the same as one before the upload.
    pub fn write(&self) -> bool {
        !self.is("ecr", &["InitiateLayerUpload", "UploadLayerPart"]) && !READS.iter().any(|read| self.action.starts_with(read))
    }

    pub fn lease(&self) -> bool {
        self.service == "dynamodb" && self.text("TableName").is_some_and(|table| table.ends_with(LEASE_TABLE))
    }

    /// A parameter that is text (or a number or truth value written as text in a form).
    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name)?.as_str()
    }

    /// A truth value, however the protocol writes it.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.params.get(name)? {
            Value::Bool(b) => Some(*b),
            Value::String(s) => Some(s.eq_ignore_ascii_case("true")),
            _ => None,
        }
    }

    pub fn number(&self, name: &str) -> Option<i64> {
        match self.params.get(name)? {
            Value::Number(n) => n.as_i64(),
            Value::String(s) => s.parse().ok(),
            _ => None,
        }
    }

    /// A list of texts: a JSON array, or a form's `name.1`, `name.member.1`, `name.SubnetIdentifier.1`.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.params.get(name) {
            Some(Value::Array(items)) => return items.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            Some(Value::String(one)) => return vec![one.clone()],
            _ => {}
        }
        let Some(params) = self.params.as_object() else { return Vec::new() };
        let mut found = Vec::new();
        for (key, value) in params {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let number = rest.rsplit('.').next().unwrap_or(rest);
            if rest.split('.').count() <= 2
                && let (Ok(number), Some(text)) = (number.parse::<u32>(), value.as_str())
            {
                found.push((number, text.to_owned()));
            }
        }
        found.sort();
        found.into_iter().map(|(_, text)| text).collect()
    }

    /// EC2's filters: `Filter.N.Name` with `Filter.N.Value.M`.
    pub fn filters(&self) -> Vec<(String, Vec<String>)> {
        let mut filters = Vec::new();
        for n in 1.. {
            let Some(name) = self.text(&format!("Filter.{n}.Name")) else { break };
            filters.push((name.to_owned(), self.list(&format!("Filter.{n}.Value"))));
        }
        filters
    }

    /// The tags that a create carries, wherever its protocol puts them.
    pub fn tags(&self) -> Vec<(String, String)> {
        let mut tags = Vec::new();
        let Some(params) = self.params.as_object() else { return tags };
        for (name, value) in params {
            let low = name.to_ascii_lowercase();
            match value {
                Value::String(key) if low.contains("tag") && low.ends_with(".key") => {
                    let value = self.text(&format!("{}Value", &name[..name.len() - 3])).unwrap_or_default();
                    tags.push((key.clone(), value.to_owned()));
                }
                Value::Array(list) if low.contains("tag") => {
                    for tag in list {
                        let part = |names: [&str; 3]| names.iter().find_map(|n| tag.get(n)?.as_str()).map(str::to_owned);
                        if let Some(key) = part(["Key", "key", "TagKey"]) {
                            tags.push((key, part(["Value", "value", "TagValue"]).unwrap_or_default()));
                        }
                    }
                }
                Value::Object(map) if low == "tags" => {
                    tags.extend(map.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))));
                }
                _ => {}
            }
        }
        tags
    }

    /// The whole request, decoded, for patterns to look through.
    pub fn everything(&self) -> String {
        match self.protocol {
            Protocol::Query | Protocol::Ec2 => {
                let mut text = String::new();
                for (name, value) in self.params.as_object().into_iter().flatten() {
                    text.push_str(&format!("{name}={}\n", value.as_str().unwrap_or_default()));
                }
                text
            }
            Protocol::Cbor => self.params.to_string(),
            _ => format!("{}\n{}", self.target, String::from_utf8_lossy(&self.body)),
        }
    }

    /// A short parameter that says which thing the call is about.
    pub fn about(&self) -> Option<String> {
        const NAMES: &[&str] = &[
            "DBInstanceIdentifier",
            "DBSubnetGroupName",
            "DBParameterGroupName",
            "ReplicationGroupId",
            "CacheSubnetGroupName",
            "CacheParameterGroupName",
            "DomainName",
            "FunctionName",
            "QueueName",
            "QueueUrl",
            "TopicArn",
            "RoleName",
            "PolicyName",
            "logGroupName",
            "LoadBalancerArn",
            "ListenerArn",
            "TargetGroupArn",
            "serviceName",
            "service",
            "clusterName",
            "cluster",
            "family",
            "taskDefinition",
            "repositoryName",
            "AliasName",
            "KeyId",
            "SecretId",
            "Name",
            "name",
            "AlarmName",
            "DashboardName",
            "TableName",
            "NatGatewayId",
            "AllocationId",
            "SubnetId",
            "GroupId",
            "GroupName",
            "RouteTableId",
            "InternetGatewayId",
            "VpcId",
            "VpcEndpointId",
            "ResourceId",
            "ResourceName",
            "ResourceARN",
            "ResourceArn",
            "resourceArn",
            "UUID",
        ];
        if self.is("elbv2", &["CreateRule", "CreateListener"]) {
            return self.text("ListenerArn").or(self.text("LoadBalancerArn")).map(str::to_owned);
        }
        if let Some(name) = self.tags().into_iter().find(|(key, _)| key == "provision:name")
            && self.service == "ec2"
        {
            return Some(name.1);
        }
        NAMES.iter().find_map(|name| self.text(name)).map(str::to_owned)
    }
}

#[derive(Default)]
struct Scope {
    key: String,
    region: String,
    service: String,
}

/// Parses the header `... Credential=KEY/20260101/eu-west-1/rds/aws4_request, ...`.
fn scope_of(authorization: &str) -> Option<Scope> {
    let credential = authorization.split("Credential=").nth(1)?;
    let credential = credential.split([',', ' ']).next()?;
    let parts: Vec<&str> = credential.rsplit('/').collect();
    match parts[..] {
        [_, service, region, _, key, ..] => {
            Some(Scope { key: key.to_owned(), region: region.to_owned(), service: service.to_owned() })
        }
        _ => None,
    }
}

/// botocore's name for a signing name.
fn service_name(signing: &str) -> &str {
    match signing {
        "elasticloadbalancing" => "elbv2",
        "es" => "opensearch",
        "monitoring" => "cloudwatch",
        "servicequotas" => "service-quotas",
        "apigateway" => "apigatewayv2",
        "tagging" => "resourcegroupstaggingapi",
        other => other,
    }
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
#[path = "request_tests.rs"]
pub(crate) mod tests;
