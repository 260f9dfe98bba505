//! The load balancer with its target groups, listeners and rules.

use serde_json::{Value, json};

use super::it::It;
use crate::kinds::elbv2::{ListenerState, LoadBalancerSpec, LoadBalancerState, Rest, RuleState, TargetGroupState};

/// Adds the load balancer. Its subnets lead outside only once the gateway is attached.
pub(super) fn load_balancer(it: &mut It<'_>, spec: LoadBalancerSpec, want: LoadBalancerState) {
    let LoadBalancerState {
        name,
        scheme,
        subnets,
        security_groups,
        protected,
        drop_invalid_headers,
        desync_mitigation,
        idle_timeout,
    } = want;
    let attached = it.all_of(&spec.gateway).pop();
    let attributes = [
        ("deletion_protection.enabled", protected.to_string()),
        ("idle_timeout.timeout_seconds", idle_timeout.to_string()),
        ("routing.http.desync_mitigation_mode", desync_mitigation),
        ("routing.http.drop_invalid_header_fields.enabled", drop_invalid_headers.to_string()),
    ];
    let properties = json!({
        "Name": name, "Type": "application", "Scheme": scheme, "Subnets": subnets, "SecurityGroups": security_groups,
        "LoadBalancerAttributes": pairs(&attributes), "Tags": it.tags(),
    });
    it.put("AWS::ElasticLoadBalancingV2::LoadBalancer", properties).after(attached);
}

pub(super) fn target_group(it: &mut It<'_>, want: TargetGroupState) {
    let TargetGroupState { name, vpc, port, protocol, target_type, health, deregistration_delay } = want;
    let attributes = [("deregistration_delay.timeout_seconds", deregistration_delay.to_string())];
    let properties = json!({
        "Name": name, "VpcId": vpc, "Port": port, "Protocol": protocol, "TargetType": target_type,
        "HealthCheckPath": health.path, "Matcher": {"HttpCode": health.codes},
        "HealthCheckIntervalSeconds": health.interval, "HealthCheckTimeoutSeconds": health.timeout,
        "HealthyThresholdCount": health.healthy_after, "UnhealthyThresholdCount": health.unhealthy_after,
        "TargetGroupAttributes": pairs(&attributes), "Tags": it.tags(),
    });
    it.put("AWS::ElasticLoadBalancingV2::TargetGroup", properties);
}

pub(super) fn listener(it: &mut It<'_>, want: ListenerState) {
    let ListenerState { load_balancer, port, protocol, does, certificate, certificates: _, tls_policy } = want;
    let action = match does {
        Rest::Forward(target) => forward(&target),
        Rest::ToHttps => {
            let to = json!({"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"});
            json!({"Type": "redirect", "RedirectConfig": to})
        }
        // No resource wants another output. It is only ever read.
        Rest::NotFound | Rest::Other(_) => {
            let answer = json!({"StatusCode": "404", "ContentType": "text/plain"});
            json!({"Type": "fixed-response", "FixedResponseConfig": answer})
        }
    };
    let mut properties =
        json!({"LoadBalancerArn": load_balancer, "Port": port, "Protocol": protocol, "DefaultActions": [action]});
    if let Some(certificate) = certificate {
        properties["Certificates"] = json!([{"CertificateArn": certificate}]);
        properties["SslPolicy"] = json!(tls_policy);
    }
    it.put("AWS::ElasticLoadBalancingV2::Listener", properties);
}

pub(super) fn rule(it: &mut It<'_>, want: RuleState) {
    let RuleState { listener, priority, paths, methods, others: _, target } = want;
    let mut conditions = Vec::new();
    if !paths.is_empty() {
        conditions.push(json!({"Field": "path-pattern", "PathPatternConfig": {"Values": paths}}));
    }
    if !methods.is_empty() {
        conditions.push(json!({"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": methods}}));
    }
    let properties = json!({
        "ListenerArn": listener, "Priority": priority, "Conditions": conditions, "Actions": [forward(&target)],
    });
    it.put("AWS::ElasticLoadBalancingV2::ListenerRule", properties);
}

fn forward(target: &str) -> Value {
    json!({"Type": "forward", "TargetGroupArn": target})
}

fn pairs(attributes: &[(&str, String)]) -> Value {
    attributes.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}
