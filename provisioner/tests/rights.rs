//! The printed rights, tried on calls that are no business of the stack. The evaluator is the gateway's.

mod support;

use std::collections::BTreeSet;

use gateway::{Request, would_allow};
use serde_json::{Value, json};
use support::binary::{NOWHERE, run, said, stack};

const ACCOUNT: &str = "123456789012";
const OURS: &str = "sendy/dev";
/// Another environment of the same stack: its names begin as ours do.
const THEIRS: &str = "sendy/dev-2";

async fn printed(part: &[&str]) -> Vec<Value> {
    let whole = whole(part).await;
    whole["policies"].as_array().expect("documents").clone()
}

async fn whole(part: &[&str]) -> Value {
    let file = stack("sendy");
    let arguments =
        [&["policy", file.to_str().expect("UTF-8"), "--env", "dev", "--region", "eu-west-1"], part].concat();
    let output = run(NOWHERE, &arguments).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn signed(service: &str) -> Vec<(String, String)> {
    let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{service}/aws4_request, Signature=0");
    vec![("authorization".to_owned(), scope)]
}

/// A call of a service that takes forms: `ec2 DeleteVpc VpcId=vpc-0a`.
fn form(call: &str) -> Request {
    let mut words = call.split(' ');
    let (service, action) = (words.next().expect("a service"), words.next().expect("an action"));
    let body: String =
        [format!("Action={action}")].into_iter().chain(words.map(str::to_owned)).collect::<Vec<_>>().join("&");
    let mut headers = signed(service);
    headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    Request::read("POST", "/", headers, body.into())
}

/// A call of a service that takes JSON.
fn call(service: &str, action: &str, body: Value) -> Request {
    let mut headers = signed(service);
    headers.push(("x-amz-target".to_owned(), format!("Service.{action}")));
    Request::read("POST", "/", headers, body.to_string().into())
}

fn rest(service: &str, method: &str, target: &str, body: Value) -> Request {
    Request::read(method, target, signed(service), body.to_string().into())
}

fn tag(place: &str, value: &str) -> String {
    format!("{place}.Key=provision:stack {place}.Value={value}")
}

/// The form parameters by which a create of EC2 tags what it makes.
fn made_by(stack: &str) -> String {
    tag("TagSpecification.1.Tag.1", stack)
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:eu-west-1:{ACCOUNT}:{resource}")
}

/// What EC2, KMS and Auto Scaling know only by ids.
const IDS: &[(&str, &str)] = &[
    ("ec2", "vpc/vpc-0a"),
    ("ec2", "subnet/subnet-0a"),
    ("ec2", "route-table/rtb-0a"),
    ("ec2", "security-group/sg-0a"),
    ("ec2", "internet-gateway/igw-0a"),
    ("ec2", "natgateway/nat-0a"),
    ("ec2", "elastic-ip/eipalloc-0a"),
    ("ec2", "vpc-endpoint/vpce-0a"),
    ("ec2", "vpc-flow-log/fl-0a"),
    ("ec2", "network-interface/eni-0a"),
    ("kms", "key/0a"),
    ("application-autoscaling", "scalable-target/service-theirs-web"),
];

/// Calls on the things of [`IDS`].
fn on_ids() -> Vec<Request> {
    let ours = made_by(OURS);
    let mut calls: Vec<Request> = [
        "ec2 DeleteVpc VpcId=vpc-0a",
        "ec2 ModifyVpcAttribute VpcId=vpc-0a EnableDnsSupport.Value=false",
        "ec2 DeleteSubnet SubnetId=subnet-0a",
        "ec2 ModifySubnetAttribute SubnetId=subnet-0a MapPublicIpOnLaunch.Value=true",
        "ec2 CreateRoute RouteTableId=rtb-0a DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-0b",
        "ec2 ReplaceRoute RouteTableId=rtb-0a DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-0b",
        "ec2 DeleteRoute RouteTableId=rtb-0a DestinationCidrBlock=0.0.0.0/0",
        "ec2 DeleteRouteTable RouteTableId=rtb-0a",
        "ec2 AssociateRouteTable RouteTableId=rtb-0a SubnetId=subnet-0a",
        "ec2 DeleteSecurityGroup GroupId=sg-0a",
        "ec2 AuthorizeSecurityGroupIngress GroupId=sg-0a",
        "ec2 AuthorizeSecurityGroupEgress GroupId=sg-0a",
        "ec2 RevokeSecurityGroupIngress GroupId=sg-0a",
        "ec2 RevokeSecurityGroupEgress GroupId=sg-0a",
        "ec2 AttachInternetGateway InternetGatewayId=igw-0a VpcId=vpc-0a",
        "ec2 DetachInternetGateway InternetGatewayId=igw-0a VpcId=vpc-0a",
        "ec2 DeleteInternetGateway InternetGatewayId=igw-0a",
        "ec2 DeleteNatGateway NatGatewayId=nat-0a",
        "ec2 ReleaseAddress AllocationId=eipalloc-0a",
        "ec2 DeleteVpcEndpoints VpcEndpointId.1=vpce-0a",
        "ec2 ModifyVpcEndpoint VpcEndpointId=vpce-0a PolicyDocument={}",
        "ec2 DeleteFlowLogs FlowLogId.1=fl-0a",
        "ec2 DeleteNetworkInterface NetworkInterfaceId=eni-0a",
        "ec2 DeleteTags ResourceId.1=vpc-0a Tag.1.Key=provision:stack",
    ]
    .into_iter()
    .map(form)
    .collect();
    // A create with our tag, inside a thing of others.
    for create in [
        "CreateSubnet VpcId=vpc-0a CidrBlock=10.0.0.0/24",
        "CreateRouteTable VpcId=vpc-0a",
        "CreateSecurityGroup VpcId=vpc-0a GroupName=sendy-dev-x",
        "CreateVpcEndpoint VpcId=vpc-0a RouteTableId.1=rtb-0a",
        "CreateFlowLogs ResourceId.1=vpc-0a",
        "CreateNatGateway SubnetId=subnet-0a AllocationId=eipalloc-0a",
    ] {
        calls.push(form(&format!("ec2 {create} {ours}")));
    }
    // Our tag on a thing of others, so that it would be ours.
    for (service, resource) in IDS.iter().filter(|(service, _)| *service == "ec2") {
        let id = resource.rsplit('/').next().expect("an id");
        calls.push(form(&format!("{service} CreateTags ResourceId.1={id} {}", tag("Tag.1", OURS))));
    }
    for (action, more) in [
        ("CreateAlias", json!({"AliasName": "alias/sendy-dev", "TargetKeyId": "0a"})),
        ("UpdateAlias", json!({"AliasName": "alias/sendy-dev", "TargetKeyId": "0a"})),
        ("CreateGrant", json!({"KeyId": "0a", "GranteePrincipal": "me", "Operations": ["Decrypt"]})),
        ("Decrypt", json!({"KeyId": "0a"})),
        ("DisableKey", json!({"KeyId": "0a"})),
        ("EnableKeyRotation", json!({"KeyId": "0a"})),
        ("Encrypt", json!({"KeyId": "0a"})),
        ("GenerateDataKey", json!({"KeyId": "0a"})),
        ("PutKeyPolicy", json!({"KeyId": "0a", "Policy": "{}"})),
        ("ScheduleKeyDeletion", json!({"KeyId": "0a"})),
        ("TagResource", json!({"KeyId": "0a", "Tags": [{"TagKey": "provision:stack", "TagValue": OURS}]})),
        ("UntagResource", json!({"KeyId": "0a", "TagKeys": ["provision:stack"]})),
    ] {
        calls.push(call("kms", action, more));
    }
    let target = |more: Value| {
        let mut body = json!({"ResourceId": "service/theirs/web", "ServiceNamespace": "ecs"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        body
    };
    calls.push(call(
        "application-autoscaling",
        "RegisterScalableTarget",
        target(json!({"Tags": {"provision:stack": OURS}})),
    ));
    calls.push(call("application-autoscaling", "DeregisterScalableTarget", target(json!({}))));
    calls.push(call("application-autoscaling", "PutScalingPolicy", target(json!({"PolicyName": "x"}))));
    calls
}

/// Calls on things whose names begin as ours do, but that are the other stack's.
fn on_names() -> Vec<(String, Request)> {
    let text = |value: &str| Value::from(value);
    let queue = format!("http://sqs/{ACCOUNT}/sendy-dev-2-work");
    let queues = ["DeleteQueue", "SetQueueAttributes", "ReceiveMessage", "SendMessage", "TagQueue"];
    let mut calls: Vec<(String, Request)> = Vec::new();
    for action in queues {
        calls.push((arn("sqs", "sendy-dev-2-work"), call("sqs", action, json!({"QueueUrl": queue}))));
    }
    let topic = arn("sns", "sendy-dev-2-events");
    for action in ["DeleteTopic", "SetTopicAttributes", "Subscribe"] {
        calls.push((topic.clone(), form(&format!("sns {action} TopicArn={topic}"))));
    }
    for action in ["DeleteDBInstance", "ModifyDBInstance"] {
        let call = form(&format!("rds {action} DBInstanceIdentifier=sendy-dev-2-main"));
        calls.push((arn("rds", "db:sendy-dev-2-main"), call));
    }
    let group = form("elasticache DeleteReplicationGroup ReplicationGroupId=sendy-dev-2-main");
    calls.push((arn("elasticache", "replicationgroup:sendy-dev-2-main"), group));
    for action in ["DeleteSecret", "GetSecretValue", "PutSecretValue"] {
        let secret = arn("secretsmanager", "secret:sendy-dev-2-main-x");
        calls.push((secret.clone(), call("secretsmanager", action, json!({"SecretId": secret}))));
    }
    let balancer = arn("elasticloadbalancing", "loadbalancer/app/sendy-dev-2-web/1");
    let rest_of_balancer = format!("elasticloadbalancing DeleteLoadBalancer LoadBalancerArn={balancer}");
    calls.push((balancer, form(&rest_of_balancer)));
    let image = call("ecr", "BatchDeleteImage", json!({"repositoryName": text("sendy-dev-2-runtime")}));
    calls.push((arn("ecr", "repository/sendy-dev-2-runtime"), image));
    let service = json!({"cluster": "sendy-dev-2-main", "service": "sendy-dev-2-web"});
    calls.push((arn("ecs", "service/sendy-dev-2-main/sendy-dev-2-web"), call("ecs", "UpdateService", service)));
    let code = rest("lambda", "PUT", "/2015-03-31/functions/sendy-dev-2-forwarder/code", json!({}));
    calls.push((arn("lambda", "function:sendy-dev-2-forwarder"), code));
    let domain = rest("es", "DELETE", "/2021-01-01/opensearch/domain/sendy-dev-2-logs", json!({}));
    calls.push((arn("es", "domain/sendy-dev-2-logs"), domain));
    calls.push((arn("none", "none"), call("logs", "DeleteLogGroup", json!({"logGroupName": "/sendy-dev-2/web"}))));
    calls.push((arn("none", "none"), call("logs", "GetLogEvents", json!({"logGroupName": "/sendy-dev-2/web"}))));
    let lease = json!({"TableName": "provision-leases", "Key": {"id": {"S": THEIRS}}});
    for action in ["GetItem", "UpdateItem", "DeleteItem"] {
        calls.push((arn("none", "none"), call("dynamodb", action, lease.clone())));
    }
    let items = json!({"TableName": "orders", "Key": {"id": {"S": OURS}}});
    calls.push((arn("none", "none"), call("dynamodb", "GetItem", items)));
    let name = json!({"DashboardNames": ["sendy-dev-2-main"]});
    let dashboard = call("monitoring", "DeleteDashboards", name);
    calls.push((arn("none", "none"), dashboard));
    calls
}

fn told(request: &Request) -> String {
    format!("{}:{} {}", request.service, request.action, request.everything().replace('\n', " "))
}

/// Nothing of another stack can be changed or read, whether it is known by an id or by a name that begins as ours do.
#[tokio::test]
async fn what_another_stack_has_tagged_is_out_of_reach() {
    let adoption = printed(&["--adopt"]).await;
    for policies in [printed(&[]).await, [printed(&[]).await, adoption].concat()] {
        for request in on_ids() {
            let arns: Vec<String> = IDS.iter().map(|(service, resource)| arn(service, resource)).collect();
            let tags: Vec<_> = arns.iter().map(|arn| (arn.as_str(), "provision:stack", THEIRS)).collect();
            assert!(!would_allow(&policies, &[], &tags, &request), "{}", told(&request));
        }
        for (arn, request) in on_names() {
            let tags = [(arn.as_str(), "provision:stack", THEIRS)];
            assert!(!would_allow(&policies, &[], &tags, &request), "{}", told(&request));
        }
    }
}

/// Of the things that no stack has tagged only those can be changed that the output lists as unbound.
#[tokio::test]
async fn what_nobody_has_tagged_is_out_of_reach_unless_it_is_listed() {
    let (policies, printed) = (printed(&[]).await, whole(&[]).await);
    let listed: BTreeSet<String> = printed["unbound"]
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|one| one["actions"].as_array().expect("actions"))
        .map(|action| action.as_str().expect("text").to_owned())
        .collect();
    let allowed = on_ids().into_iter().filter(|request| would_allow(&policies, &[], &[], request));
    let allowed: BTreeSet<String> = allowed.map(|request| format!("{}:{}", request.service, request.action)).collect();
    let beyond: Vec<&String> = allowed.iter().filter(|action| !listed.contains(*action)).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
    let expected = [
        "application-autoscaling:RegisterScalableTarget",
        "ec2:CreateTags",
        "ec2:DeleteNetworkInterface",
        "kms:TagResource",
    ];
    assert_eq!(allowed.iter().map(String::as_str).collect::<Vec<_>>(), expected, "the list says more than is needed");
    // A group that nobody has tagged may become ours. No other thing may.
    for (service, resource) in IDS.iter().filter(|(service, _)| *service == "ec2") {
        let id = resource.rsplit('/').next().expect("an id");
        let request = form(&format!("{service} CreateTags ResourceId.1={id} {}", tag("Tag.1", OURS)));
        assert_eq!(would_allow(&policies, &[], &[], &request), id.starts_with("sg-"), "{id}");
    }
}

/// The same calls on things of the stack's own are allowed, so the tests above try the rights and not their own words.
#[tokio::test]
async fn what_is_ours_is_within_reach() {
    let policies = printed(&[]).await;
    let arns: Vec<String> = IDS.iter().map(|(service, resource)| arn(service, resource)).collect();
    let tags: Vec<_> = arns.iter().map(|arn| (arn.as_str(), "provision:stack", OURS)).collect();
    let refused: Vec<String> =
        on_ids().iter().filter(|request| !would_allow(&policies, &[], &tags, request)).map(told).collect();
    // Nothing disables a key. Grants are made by services only.
    let never = ["kms:CreateGrant", "kms:DisableKey"];
    let refused: Vec<_> = refused.iter().filter(|told| !never.iter().any(|one| told.starts_with(one))).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    // Our own things do not get the tag of another stack.
    let given = form(&format!("ec2 CreateTags ResourceId.1=sg-0a {}", tag("Tag.1", THEIRS)));
    assert!(!would_allow(&policies, &[], &tags, &given));
    let adopted = form(&format!("ec2 CreateTags ResourceId.1=vpc-0a {}", tag("Tag.1", OURS)));
    assert!(would_allow(&printed(&["--adopt"]).await, &[], &[], &adopted));
}

/// Whoever has the rights of `up` makes no administrator: not by a role, not by a policy, not by a service.
#[tokio::test]
async fn nobody_becomes_an_administrator() {
    let policies = printed(&[]).await;
    let boundary = format!("arn:aws:iam::{ACCOUNT}:policy/provision-sendy-dev");
    let admin = "arn:aws:iam::aws:policy/AdministratorAccess";
    let path = "Path=/provision/sendy/dev/";
    let role = |more: &str| form(&format!("iam CreateRole RoleName=sendy-dev-x {more}"));
    let old = |action: &str| form(&format!("iam {action} RoleName=sendy-dev-x PolicyName=p PolicyDocument={{}}"));
    let before = |boundary: &str| [role(&format!("{path} {boundary}"))];
    let (bounded, free) = (before(&format!("PermissionsBoundary={boundary}")), before(""));
    let allowed = |before: &[Request], request: &Request| would_allow(&policies, before, &[], request);

    assert!(allowed(&[], &role(&format!("{path} PermissionsBoundary={boundary}"))));
    assert!(!allowed(&[], &role(path)), "a role without a boundary");
    assert!(!allowed(&[], &role(&format!("{path} PermissionsBoundary={admin}"))), "a boundary that bounds nothing");
    assert!(!allowed(&[], &role(&format!("Path=/ PermissionsBoundary={boundary}"))), "a role elsewhere");
    assert!(allowed(&bounded, &old("PutRolePolicy")));
    assert!(!allowed(&free, &old("PutRolePolicy")), "rights for a role from before the boundary");
    let set = |boundary: &str| {
        form(&format!("iam PutRolePermissionsBoundary RoleName=sendy-dev-x PermissionsBoundary={boundary}"))
    };
    assert!(allowed(&free, &set(&boundary)), "an old role comes within the boundary");
    assert!(!allowed(&bounded, &set(admin)), "a role leaves the boundary");
    let never = [
        "iam DeleteRolePermissionsBoundary RoleName=sendy-dev-x".to_owned(),
        format!("iam AttachRolePolicy RoleName=sendy-dev-x PolicyArn={admin}"),
        format!("iam CreatePolicyVersion PolicyArn={boundary} SetAsDefault=true"),
        format!("iam SetDefaultPolicyVersion PolicyArn={boundary} VersionId=v1"),
        format!("iam DeletePolicyVersion PolicyArn={boundary} VersionId=v1"),
        format!("iam DeletePolicy PolicyArn={boundary}"),
        "iam CreatePolicy PolicyName=provision-sendy-dev".to_owned(),
        "iam CreateUser UserName=me".to_owned(),
        "iam CreateAccessKey UserName=admin".to_owned(),
        "iam PutUserPolicy UserName=me PolicyName=p".to_owned(),
        "iam AttachUserPolicy UserName=me PolicyArn=p".to_owned(),
        "iam UpdateAssumeRolePolicy RoleName=admin".to_owned(),
        "iam PutRolePolicy RoleName=admin PolicyName=p".to_owned(),
        "iam CreateServiceLinkedRole AWSServiceName=organizations.amazonaws.com".to_owned(),
        "sts AssumeRole RoleArn=arn:aws:iam::123456789012:role/provision/sendy/dev/sendy-dev-x".to_owned(),
    ];
    for call in &never {
        assert!(!allowed(&bounded, &form(call)), "{call}");
    }
    for (role, may) in [("provision/sendy/dev/sendy-dev-x", true), ("admin", false), ("provision/sendy/dev-2/x", false)]
    {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{role}");
        let task = call("ecs", "RegisterTaskDefinition", json!({"family": "sendy-dev-web", "taskRoleArn": role}));
        assert_eq!(allowed(&bounded, &task), may, "a task with {role}");
        let body = json!({"FunctionName": "sendy-dev-forwarder", "Role": role});
        assert_eq!(
            allowed(&bounded, &rest("lambda", "POST", "/2015-03-31/functions", body)),
            may,
            "a function with {role}"
        );
    }
    // Even a role that was given everything stays within the boundary.
    let bounds = [whole(&["--boundary"]).await];
    let everything = [json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})];
    let of_role =
        |request: &Request| would_allow(&bounds, &[], &[], request) && would_allow(&everything, &[], &[], request);
    let steps = ["iam CreateUser UserName=me".to_owned(), format!("iam CreatePolicyVersion PolicyArn={boundary}")];
    for call in steps.iter().chain(&never) {
        assert!(!of_role(&form(call)), "{call}");
    }
    let theirs = [("arn:aws:kms:eu-west-1:123456789012:key/0a", "provision:stack", THEIRS)];
    let decrypt = call("kms", "Decrypt", json!({"KeyId": "0a"}));
    assert!(!would_allow(&bounds, &[], &theirs, &decrypt) && !would_allow(&bounds, &[], &[], &decrypt));
}

/// With the rights of `plan` nothing is changed, and no data is read, not even the stack's own.
#[tokio::test]
async fn a_plan_reads_no_data() {
    let policies = printed(&["--plan"]).await;
    let lease = json!({"TableName": "provision-leases", "Key": {"id": {"S": OURS}}});
    let data = [
        call("dynamodb", "GetItem", lease),
        call("dynamodb", "GetItem", json!({"TableName": "orders", "Key": {"id": {"S": "1"}}})),
        call("logs", "GetLogEvents", json!({"logGroupName": "/sendy-dev/web"})),
        call("logs", "FilterLogEvents", json!({"logGroupName": "/sendy-dev/web"})),
        call("secretsmanager", "GetSecretValue", json!({"SecretId": "sendy-dev-reservations-app"})),
        call("secretsmanager", "DescribeSecret", json!({"SecretId": "others-secret"})),
        call("kms", "Decrypt", json!({"KeyId": "0a"})),
        call("sqs", "ReceiveMessage", json!({"QueueUrl": "http://sqs/1/sendy-dev-notifications"})),
        call("ecr", "GetDownloadUrlForLayer", json!({"repositoryName": "sendy-dev-runtime"})),
        rest("lambda", "GET", "/2015-03-31/functions/sendy-dev-forwarder", Value::Null),
        rest("lambda", "GET", "/2015-03-31/functions/others/configuration", Value::Null),
    ];
    let tags = [("arn:aws:kms:eu-west-1:123456789012:key/0a", "provision:stack", OURS)];
    for request in data.iter().chain(&on_ids()) {
        assert!(!would_allow(&policies, &[], &tags, request), "{}", told(request));
    }
}
