#!/usr/bin/env python3
"""Carries out a CloudFormation template of `provision export`, through the API calls of the same names.

This is an independent reading of the template. The properties of each resource are handed to boto3, which checks names
and types against AWS's own models. Nothing is left out or made up. If a property has another name in the API, that name
is below. moto and ministack can deploy a template themselves, but know too few kinds and properties.

    deploy.py TEMPLATE.json NAMES.json URL STACK ZIP PARAMETER=VALUE...

NAMES says which resource of the stack each one is: they get the tags by which `provision plan` finds them.
"""

import json
import re
import secrets
import string
import sys
import time
from functools import cache
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".emulators/venv"
sys.path[:0] = map(str, VENV.glob("lib/python*/site-packages"))

import boto3  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

REGION, ACCOUNT, DEADLINE = "eu-west-1", "123456789012", 60


class Deployment:
    def __init__(self, template, names, url, stack, package, parameters):
        self.resources, self.names, self.url, self.stack = template["Resources"], names, url, stack
        self.prefix, self.package, self.done = stack.replace("/", "-"), package, {}
        self.values = {"AWS::Region": REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", **parameters}
        if missing := set(template.get("Parameters", {})) ^ set(parameters):
            sys.exit(f"parameters: {missing}")

    @cache
    def client(self, service):
        keys = dict(aws_access_key_id="test", aws_secret_access_key="test")
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, **keys)

    # The meanings of the intrinsic functions.
    def get(self, id, attribute=""):
        if id in self.values and not attribute:
            return self.values[id]
        self.deploy(id)
        return self.done[id][attribute]

    def resolve(self, value):
        match value:
            case {"Ref": id}:
                return self.get(id)
            case {"Fn::GetAtt": [id, attribute]}:
                return self.get(id, attribute)
            case {"Fn::Sub": str(text)}:
                named = lambda m: "${" + m[1][1:] + "}" if m[1][0] == "!" else str(self.get(*m[1].split(".", 1)))
                return self.dynamic(re.sub(r"\$\{([^}]+)\}", named, text))
            case {"Fn::Select": [index, {"Fn::GetAZs": ""}]}:
                zones = self.client("ec2").describe_availability_zones()["AvailabilityZones"]
                return sorted(zone["ZoneName"] for zone in zones)[index]
            case dict():
                if strange := [key for key in value if key.startswith("Fn::")]:
                    sys.exit(f"{strange[0]} is not known here")
                return {key: self.resolve(inner) for key, inner in value.items()}
            case list():
                return [self.resolve(inner) for inner in value]
        return value

    def dynamic(self, text):
        found = re.fullmatch(r"\{\{resolve:secretsmanager:(arn:.*):SecretString:(\w+)\}\}", text)
        if not found:
            return text
        return json.loads(self.client("secretsmanager").get_secret_value(SecretId=found[1])["SecretString"])[found[2]]

    def deploy(self, id):
        if id in self.done:
            return
        resource = self.resources[id]
        for before in resource.get("DependsOn", []):
            self.deploy(before)
        properties = self.resolve(resource["Properties"])
        tags = {tag["Key"]: tag["Value"] for tag in listed(properties.pop("Tags", []))}
        if id in self.names:
            expected = f"{self.prefix}-{self.names[id]}"
            if tags.get("Name", expected) != expected:
                sys.exit(f"{id} is called {tags['Name']}")
            tags |= {"Name": expected, "provision:stack": self.stack, "provision:name": self.names[id]}
        make = globals()[resource["Type"].replace("::", "_")]
        # If AWS refuses only for now, the call is made again, as CloudFormation does.
        for _ in range(DEADLINE * 5):
            try:
                self.done[id] = make(self, dict(properties), tags)
                return
            except ClientError as error:
                refused = error
                if not re.search(r"State|NotFound|InUse|does not have an associated|in progress|pending", str(error)):
                    sys.exit(f"{id}: {error}")
                time.sleep(0.2)
        sys.exit(f"{id}: {refused}")


def listed(tags):
    return tags if isinstance(tags, list) else [{"Key": key, "Value": value} for key, value in tags.items()]


def pairs(tags, key="Key", value="Value"):
    return [{key: name, value: content} for name, content in tags.items()]


def spec(kind, tags):
    return [{"ResourceType": kind, "Tags": pairs(tags)}]


def text(value):
    return str(value).lower() if isinstance(value, bool) else json.dumps(value) if isinstance(value, dict) else str(value)


def lower(value):
    """ECS and CloudWatch Logs begin names with a small letter. Keys of maps are not names."""
    match value:
        case dict():
            keep = lambda key, inner: inner if key == "Options" else lower(inner)
            return {key[0].lower() + key[1:]: keep(key, inner) for key, inner in value.items()}
        case list():
            return [lower(inner) for inner in value]
    return value


def AWS_KMS_Key(at, p, tags):
    kms, rotates = at.client("kms"), p.pop("EnableKeyRotation")
    assert p.pop("Enabled")
    policy = json.dumps(p.pop("KeyPolicy"))
    key = kms.create_key(**p, Policy=policy, Tags=pairs(tags, "TagKey", "TagValue"))["KeyMetadata"]
    if rotates:
        kms.enable_key_rotation(KeyId=key["KeyId"])
    return {"": key["KeyId"], "Arn": key["Arn"]}


def AWS_KMS_Alias(at, p, tags):
    at.client("kms").create_alias(**p)
    return {"": p["AliasName"]}


def AWS_SecretsManager_Secret(at, p, tags):
    g = p.pop("GenerateSecretString")
    assert g.pop("ExcludePunctuation")
    value = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(g.pop("PasswordLength")))
    value = json.dumps(json.loads(g.pop("SecretStringTemplate")) | {g.pop("GenerateStringKey"): value})
    assert not g
    return {"": at.client("secretsmanager").create_secret(**p, SecretString=value, Tags=pairs(tags))["ARN"]}


def AWS_Logs_LogGroup(at, p, tags):
    logs, days = at.client("logs"), p.pop("RetentionInDays")
    logs.create_log_group(**lower(p), tags=tags)
    logs.put_retention_policy(logGroupName=p["LogGroupName"], retentionInDays=days)
    return {"": p["LogGroupName"], "Arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{p['LogGroupName']}:*"}


def AWS_Logs_SubscriptionFilter(at, p, tags):
    at.client("logs").put_subscription_filter(**lower(p))
    return {}


def AWS_SNS_Topic(at, p, tags):
    name = p.pop("TopicName")
    attributes = {key: text(value) for key, value in p.items()}
    return {"": at.client("sns").create_topic(Name=name, Attributes=attributes, Tags=pairs(tags))["TopicArn"]}


def AWS_SNS_Subscription(at, p, tags):
    raw = p.pop("RawMessageDelivery", None)
    attributes = {} if raw is None else {"RawMessageDelivery": text(raw)}
    at.client("sns").subscribe(**p, Attributes=attributes)
    return {}


def AWS_SQS_Queue(at, p, tags):
    name = p.pop("QueueName")
    attributes = {key: text(value) for key, value in p.items()}
    url = at.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=tags)["QueueUrl"]
    return {"": url, "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", "QueueName": name}


def AWS_SQS_QueuePolicy(at, p, tags):
    for url in p["Queues"]:
        at.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(p["PolicyDocument"])})
    return {}


def AWS_IAM_Role(at, p, tags):
    iam, policies = at.client("iam"), p.pop("Policies", [])
    p["AssumeRolePolicyDocument"] = json.dumps(p["AssumeRolePolicyDocument"])
    role = iam.create_role(**p, Tags=pairs(tags))["Role"]
    for policy in policies:
        policy["PolicyDocument"] = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=p["RoleName"], **policy)
    return {"": p["RoleName"], "Arn": role["Arn"]}


def AWS_EC2_VPC(at, p, tags):
    ec2 = at.client("ec2")
    attributes = [(key, p.pop(key)) for key in ("EnableDnsSupport", "EnableDnsHostnames")]
    id = ec2.create_vpc(**p, TagSpecifications=spec("vpc", tags))["Vpc"]["VpcId"]
    for key, value in attributes:
        ec2.modify_vpc_attribute(VpcId=id, **{key: {"Value": value}})
    return {"": id}


def AWS_EC2_Subnet(at, p, tags):
    ec2, public = at.client("ec2"), p.pop("MapPublicIpOnLaunch")
    id = ec2.create_subnet(**p, TagSpecifications=spec("subnet", tags))["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": public})
    return {"": id}


def AWS_EC2_InternetGateway(at, p, tags):
    made = at.client("ec2").create_internet_gateway(**p, TagSpecifications=spec("internet-gateway", tags))
    return {"": made["InternetGateway"]["InternetGatewayId"]}


def AWS_EC2_VPCGatewayAttachment(at, p, tags):
    at.client("ec2").attach_internet_gateway(**p)
    return {}


def AWS_EC2_EIP(at, p, tags):
    made = at.client("ec2").allocate_address(**p, TagSpecifications=spec("elastic-ip", tags))
    return {"": made["PublicIp"], "AllocationId": made["AllocationId"]}


def AWS_EC2_NatGateway(at, p, tags):
    made = at.client("ec2").create_nat_gateway(**p, TagSpecifications=spec("natgateway", tags))
    return {"": made["NatGateway"]["NatGatewayId"]}


def AWS_EC2_RouteTable(at, p, tags):
    made = at.client("ec2").create_route_table(**p, TagSpecifications=spec("route-table", tags))
    return {"": made["RouteTable"]["RouteTableId"]}


def AWS_EC2_Route(at, p, tags):
    at.client("ec2").create_route(**p)
    return {}


def AWS_EC2_SubnetRouteTableAssociation(at, p, tags):
    at.client("ec2").associate_route_table(**p)
    return {}


def AWS_EC2_VPCEndpoint(at, p, tags):
    made = at.client("ec2").create_vpc_endpoint(**p, TagSpecifications=spec("vpc-endpoint", tags))
    return {"": made["VpcEndpoint"]["VpcEndpointId"]}


def AWS_EC2_SecurityGroup(at, p, tags):
    ec2, inward, outward = at.client("ec2"), p.pop("SecurityGroupIngress", []), p.pop("SecurityGroupEgress", [])
    p["Description"] = p.pop("GroupDescription")
    # By this tag `plan` knows that the rules have been set.
    specification = spec("security-group", tags | {"provision:rules": tags["provision:name"]})
    id = ec2.create_security_group(**p, TagSpecifications=specification)["GroupId"]
    if outward:
        everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ec2.revoke_security_group_egress(GroupId=id, IpPermissions=[everything])
        ec2.authorize_security_group_egress(GroupId=id, IpPermissions=list(map(permission, outward)))
    if inward:
        ec2.authorize_security_group_ingress(GroupId=id, IpPermissions=list(map(permission, inward)))
    return {"": id, "GroupId": id}


def AWS_EC2_SecurityGroupIngress(at, p, tags):
    at.client("ec2").authorize_security_group_ingress(GroupId=p.pop("GroupId"), IpPermissions=[permission(p)])
    return {}


def permission(rule):
    rule = dict(rule)
    said = {"Description": rule.pop("Description")} if "Description" in rule else {}
    if "CidrIp" in rule:
        cidr = rule.pop("CidrIp")
        return {**rule, "IpRanges": [{"CidrIp": cidr, **said}]}
    (peer,) = [rule.pop(key) for key in ("SourceSecurityGroupId", "DestinationSecurityGroupId") if key in rule]
    return {**rule, "UserIdGroupPairs": [{"GroupId": peer, **said}]}


def AWS_EC2_FlowLog(at, p, tags):
    p["ResourceIds"] = [p.pop("ResourceId")]
    at.client("ec2").create_flow_logs(**p, TagSpecifications=spec("vpc-flow-log", tags))
    return {}


def AWS_RDS_DBSubnetGroup(at, p, tags):
    at.client("rds").create_db_subnet_group(**p, Tags=pairs(tags))
    return {"": p["DBSubnetGroupName"]}


def AWS_RDS_DBParameterGroup(at, p, tags):
    rds, parameters = at.client("rds"), p.pop("Parameters")
    p["DBParameterGroupFamily"] = p.pop("Family")
    rds.create_db_parameter_group(**p, Tags=pairs(tags))
    parameters = [{"ParameterName": k, "ParameterValue": v, "ApplyMethod": "immediate"} for k, v in parameters.items()]
    rds.modify_db_parameter_group(DBParameterGroupName=p["DBParameterGroupName"], Parameters=parameters)
    return {"": p["DBParameterGroupName"]}


def AWS_RDS_DBInstance(at, p, tags):
    rds, id = at.client("rds"), p["DBInstanceIdentifier"]
    p["VpcSecurityGroupIds"], p["Port"] = p.pop("VPCSecurityGroups"), int(p["Port"])
    if "AllocatedStorage" in p:
        p["AllocatedStorage"] = int(p["AllocatedStorage"])
    make = rds.create_db_instance_read_replica if "SourceDBInstanceIdentifier" in p else rds.create_db_instance
    make(**p, Tags=pairs(tags))
    for _ in range(DEADLINE * 5):
        (now,) = rds.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"]
        if now["DBInstanceStatus"] == "available":
            return {"": id, "DBInstanceArn": now["DBInstanceArn"], "Endpoint.Address": now["Endpoint"]["Address"]}
        time.sleep(0.2)
    sys.exit(f"{id} does not become available")


def AWS_ElastiCache_SubnetGroup(at, p, tags):
    p["CacheSubnetGroupDescription"] = p.pop("Description")
    at.client("elasticache").create_cache_subnet_group(**p, Tags=pairs(tags))
    return {"": p["CacheSubnetGroupName"]}


def AWS_ElastiCache_ReplicationGroup(at, p, tags):
    cache, id = at.client("elasticache"), p["ReplicationGroupId"]
    cache.create_replication_group(**p, Tags=pairs(tags))
    for _ in range(DEADLINE * 5):
        (now,) = cache.describe_replication_groups(ReplicationGroupId=id)["ReplicationGroups"]
        if now["Status"] == "available":
            (shard,) = now["NodeGroups"]
            primary, reader = shard["PrimaryEndpoint"]["Address"], shard["ReaderEndpoint"]["Address"]
            return {"": id, "PrimaryEndPoint.Address": primary, "ReaderEndPoint.Address": reader}
        time.sleep(0.2)
    sys.exit(f"{id} does not become available")


def AWS_OpenSearchService_Domain(at, p, tags):
    search, name = at.client("opensearch"), p["DomainName"]
    p["AccessPolicies"] = json.dumps(p["AccessPolicies"])
    search.create_domain(**p, TagList=pairs(tags))
    for _ in range(DEADLINE * 5):
        now = search.describe_domain(DomainName=name)["DomainStatus"]
        endpoint = now.get("Endpoint") or now.get("Endpoints", {}).get("vpc")
        if endpoint and not now.get("Processing"):
            return {"": name, "Arn": now["ARN"], "DomainEndpoint": endpoint}
        time.sleep(0.2)
    sys.exit(f"{name} does not become active")


def AWS_ElasticLoadBalancingV2_LoadBalancer(at, p, tags):
    elb, attributes = at.client("elbv2"), p.pop("LoadBalancerAttributes")
    (made,) = elb.create_load_balancer(**p, Tags=pairs(tags))["LoadBalancers"]
    arn = made["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
    return {"": arn, "DNSName": made["DNSName"], "LoadBalancerFullName": arn.split("loadbalancer/")[1]}


def AWS_ElasticLoadBalancingV2_TargetGroup(at, p, tags):
    elb, attributes = at.client("elbv2"), p.pop("TargetGroupAttributes")
    (made,) = elb.create_target_group(**p, Tags=pairs(tags))["TargetGroups"]
    elb.modify_target_group_attributes(TargetGroupArn=made["TargetGroupArn"], Attributes=attributes)
    return {"": made["TargetGroupArn"]}


def AWS_ElasticLoadBalancingV2_Listener(at, p, tags):
    (made,) = at.client("elbv2").create_listener(**p, Tags=pairs(tags))["Listeners"]
    return {"": made["ListenerArn"]}


def AWS_ElasticLoadBalancingV2_ListenerRule(at, p, tags):
    (made,) = at.client("elbv2").create_rule(**p, Tags=pairs(tags))["Rules"]
    return {"": made["RuleArn"]}


def AWS_ECR_Repository(at, p, tags):
    ecr, policy = at.client("ecr"), p.pop("LifecyclePolicy")
    assert p.pop("EmptyOnDelete")
    p["encryptionConfiguration"] = lower(p.pop("EncryptionConfiguration"))
    made = ecr.create_repository(**lower(p), tags=pairs(tags))["repository"]
    ecr.put_lifecycle_policy(repositoryName=made["repositoryName"], lifecyclePolicyText=policy["LifecyclePolicyText"])
    return {"": made["repositoryName"], "Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}


def AWS_ECS_Cluster(at, p, tags):
    p["Settings"] = p.pop("ClusterSettings")
    made = at.client("ecs").create_cluster(**lower(p), tags=lower(pairs(tags)))["cluster"]
    return {"": made["clusterName"], "Arn": made["clusterArn"]}


def AWS_ECS_TaskDefinition(at, p, tags):
    made = at.client("ecs").register_task_definition(**lower(p), tags=lower(pairs(tags)))
    return {"": made["taskDefinition"]["taskDefinitionArn"]}


def AWS_ECS_Service(at, p, tags):
    p.setdefault("DesiredCount", 1)
    made = at.client("ecs").create_service(**lower(p), tags=lower(pairs(tags)))["service"]
    return {"": made["serviceArn"], "Name": made["serviceName"]}


def AWS_ApplicationAutoScaling_ScalableTarget(at, p, tags):
    at.client("application-autoscaling").register_scalable_target(**p, Tags=tags)
    return {"": "|".join((p["ResourceId"], p["ScalableDimension"], p["ServiceNamespace"]))}


def AWS_ApplicationAutoScaling_ScalingPolicy(at, p, tags):
    id, dimension, namespace = p.pop("ScalingTargetId").split("|")
    of = {"ResourceId": id, "ScalableDimension": dimension, "ServiceNamespace": namespace}
    at.client("application-autoscaling").put_scaling_policy(**p, **of)
    return {}


def AWS_Lambda_Function(at, p, tags):
    assert p.pop("Code").keys() == {"S3Bucket", "S3Key"}
    p["KMSKeyArn"] = p.pop("KmsKeyArn")
    made = at.client("lambda").create_function(**p, Code={"ZipFile": at.package}, Tags=tags)
    return {"": made["FunctionName"], "Arn": made["FunctionArn"]}


def AWS_Lambda_EventInvokeConfig(at, p, tags):
    assert p.pop("Qualifier") == "$LATEST"
    at.client("lambda").put_function_event_invoke_config(**p)
    return {}


def AWS_Lambda_Permission(at, p, tags):
    at.client("lambda").add_permission(**p, StatementId=f"cloudformation-{secrets.token_hex(6)}")
    return {}


def AWS_CloudWatch_Alarm(at, p, tags):
    at.client("cloudwatch").put_metric_alarm(**p, Tags=pairs(tags))
    return {"": p["AlarmName"]}


def AWS_CloudWatch_Dashboard(at, p, tags):
    at.client("cloudwatch").put_dashboard(**p)
    return {"": p["DashboardName"]}


def main():
    template, names, url, stack, package, *parameters = sys.argv[1:]
    template, names = (json.loads(Path(path).read_text()) for path in (template, names))
    parameters = dict(parameter.split("=", 1) for parameter in parameters)
    deployment = Deployment(template, names, url, stack, Path(package).read_bytes(), parameters)
    # The template's metadata says to do this by hand: without it AWS refuses a domain in a VPC.
    if any("service-linked" in step for step in template["Metadata"]["Provision"]["ByHand"]):
        deployment.client("iam").create_service_linked_role(AWSServiceName="opensearchservice.amazonaws.com")
    for id in deployment.resources:
        deployment.deploy(id)
    print(f"{len(deployment.done)} resources")


if __name__ == "__main__":
    main()
