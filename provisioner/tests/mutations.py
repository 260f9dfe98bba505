"""Changes a live Sendy by hand, as somebody at a console would, and says what each change should show up as.

    mutations.py URL    prints one JSON object per change: {"kind", "name", "field", "on", "error"}

The client is independent: boto3, and not the SDK that `provision` uses. `field` is null for a resource that was deleted, and for
a thing that was put on a resource of ours. Then `on` names that resource.
"""

import json
import sys

import boto3

REGION = "ap-northeast-2"
P = "sendy-dev-"
OPEN = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}


def client(service):
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=sys.argv[1], region_name=REGION, **keys)


def change(kind, name, fields, action):
    """One call, and the fields that it should show in."""
    error = None
    try:
        action()
    except Exception as failure:  # noqa: BLE001: whatever went wrong is told, and fails the test
        error = f"{type(failure).__name__}: {failure}"
    for field in fields:
        print(json.dumps({"kind": kind, "name": name, "field": field, "on": None, "error": error}))


def beside(kind, name, on, action):
    """One call that puts something on a resource of ours."""
    error = None
    try:
        action()
    except Exception as failure:  # noqa: BLE001: as above
        error = f"{type(failure).__name__}: {failure}"
    print(json.dumps({"kind": kind, "name": name, "field": None, "on": on, "error": error}))


def until_seen(look):
    """Calls again for a while: reads do not see a new thing at once."""
    for _ in range(50):
        if look():
            return


def elsewhere():
    """A queue of somebody else, by its ARN."""
    client("sqs").create_queue(QueueName="elsewhere")
    return f"arn:aws:sqs:{REGION}:123456789012:elsewhere"


def messaging():
    sqs, sns = client("sqs"), client("sns")

    def queue(name):
        return sqs.get_queue_url(QueueName=P + name)["QueueUrl"]

    def attribute(name, **attributes):
        return lambda: sqs.set_queue_attributes(QueueUrl=queue(name), Attributes=attributes)

    work, dead, failed = "notifications", "notifications-dead-letter", "forwarder-failed"
    change("sqs.queue", work, ["visibility_timeout"], attribute(work, VisibilityTimeout="99"))
    redrive = json.loads(
        sqs.get_queue_attributes(QueueUrl=queue(work), AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    )
    redrive["maxReceiveCount"] = 9
    change("sqs.queue", work, ["redrive"], attribute(work, RedrivePolicy=json.dumps(redrive)))
    change("sqs.queue", work, ["policy"], attribute(work, Policy=json.dumps(OPEN)))
    change("sqs.queue", failed, ["policy"], attribute(failed, Policy=json.dumps(OPEN)))
    change("sqs.queue", dead, ["delay"], attribute(dead, DelaySeconds="5"))
    change("sqs.queue", dead, ["managed_encryption"], attribute(dead, SqsManagedSseEnabled="false"))
    change("sqs.queue", failed, ["retention"], attribute(failed, MessageRetentionPeriod="600"))
    change("sqs.queue", failed, ["receive_wait"], attribute(failed, ReceiveMessageWaitTimeSeconds="3"))

    topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(P + "events"))
    key = {"AttributeName": "KmsMasterKeyId", "AttributeValue": "alias/aws/sns"}
    change("sns.topic", "events", ["kms_key"], lambda: sns.set_topic_attributes(TopicArn=topic, **key))
    subscription = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"][0]["SubscriptionArn"]
    raw = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"].get("RawMessageDelivery")
    other = {"AttributeName": "RawMessageDelivery", "AttributeValue": "false" if raw == "true" else "true"}
    change(
        "sns.subscription",
        "events-to-notifications",
        ["raw"],
        lambda: sns.set_subscription_attributes(SubscriptionArn=subscription, **other),
    )
    change(
        "sns.topic",
        "events",
        ["statements"],
        lambda: sns.add_permission(
            TopicArn=topic, Label="anybody", AWSAccountId=["210987654321"], ActionName=["Publish"]
        ),
    )
    queue_elsewhere = elsewhere()
    beside(
        "sns.subscription",
        f"events/{queue_elsewhere}",
        "sns.topic events",
        lambda: sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_elsewhere),
    )


def network():
    ec2 = client("ec2")

    def named(things, name):
        tags = lambda thing: {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}  # noqa: E731
        return next(thing for thing in things if tags(thing).get("Name") == P + name)

    vpc = named(ec2.describe_vpcs()["Vpcs"], "main")["VpcId"]
    change(
        "ec2.vpc",
        "main",
        ["dns_hostnames"],
        lambda: ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False}),
    )
    subnet = named(ec2.describe_subnets()["Subnets"], "private-0")["SubnetId"]
    change(
        "ec2.subnet",
        "private-0",
        ["public_addresses"],
        lambda: ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True}),
    )
    table = named(ec2.describe_route_tables()["RouteTables"], "private-0")["RouteTableId"]
    change(
        "ec2.route_table",
        "private-0",
        ["routes"],
        lambda: ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0"),
    )
    public = named(ec2.describe_route_tables()["RouteTables"], "public")["RouteTableId"]
    gateway = named(ec2.describe_internet_gateways()["InternetGateways"], "main")["InternetGatewayId"]
    change(
        "ec2.route_table",
        "public",
        ["routes"],
        lambda: ec2.create_route(RouteTableId=public, DestinationCidrBlock="203.0.113.0/24", GatewayId=gateway),
    )
    endpoint = named(ec2.describe_vpc_endpoints()["VpcEndpoints"], "s3")["VpcEndpointId"]
    change(
        "ec2.vpc_endpoint",
        "s3",
        ["statements"],
        lambda: ec2.modify_vpc_endpoint(
            VpcEndpointId=endpoint, PolicyDocument=json.dumps(OPEN).replace('"*"', '"s3:GetObject"', 1)
        ),
    )

    def anywhere(port):
        addresses = [{"CidrIp": "0.0.0.0/0"}]
        return [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": addresses}]

    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    database = next(g["GroupId"] for g in groups if g["GroupName"] == P + "database-reservations")
    web = next(g["GroupId"] for g in groups if g["GroupName"] == P + "web")
    default = next(g["GroupId"] for g in groups if g["GroupName"] == "default")
    rules = "ec2.security_group_rules"
    change(
        rules,
        "database-reservations",
        ["ingress"],
        lambda: ec2.authorize_security_group_ingress(GroupId=database, IpPermissions=anywhere(3306)),
    )
    change(rules, "web", ["egress"], lambda: ec2.authorize_security_group_egress(GroupId=web, IpPermissions=anywhere(25)))
    change(
        "ec2.default_security_group",
        "main",
        ["ingress"],
        lambda: ec2.authorize_security_group_ingress(GroupId=default, IpPermissions=anywhere(22)),
    )
    log = ec2.describe_flow_logs()["FlowLogs"][0]["FlowLogId"]
    change("ec2.flow_log", "main", [None], lambda: ec2.delete_flow_logs(FlowLogIds=[log]))


def data():
    rds, cache, search = client("rds"), client("elasticache"), client("opensearch")
    secrets = client("secretsmanager")
    secret = secrets.list_secrets()["SecretList"][0]
    called = next(tag["Value"] for tag in secret["Tags"] if tag["Key"] == "provision:name")
    change(
        "secretsmanager.secret",
        called,
        ["statements"],
        lambda: secrets.put_resource_policy(SecretId=secret["ARN"], ResourcePolicy=json.dumps(OPEN)),
    )
    change(
        "rds.instance",
        "reservations",
        ["backup_days", "protected"],
        lambda: rds.modify_db_instance(
            DBInstanceIdentifier=P + "reservations",
            BackupRetentionPeriod=3,
            DeletionProtection=True,
            ApplyImmediately=True,
        ),
    )
    change(
        "rds.instance",
        "reservations-replica",
        ["class"],
        lambda: rds.modify_db_instance(
            DBInstanceIdentifier=P + "reservations-replica", DBInstanceClass="db.t4g.large", ApplyImmediately=True
        ),
    )
    # The stack sets this parameter. moto could not give any other parameter its default back.
    parameter = {"ParameterName": "require_secure_transport", "ParameterValue": "0", "ApplyMethod": "immediate"}
    group = next(
        g["DBParameterGroupName"]
        for g in rds.describe_db_parameter_groups()["DBParameterGroups"]
        if g["DBParameterGroupName"].startswith(P)
    )
    change(
        "rds.parameter_group",
        "reservations-mysql84",
        ["parameters"],
        lambda: rds.modify_db_parameter_group(DBParameterGroupName=group, Parameters=[parameter]),
    )
    change(
        "elasticache.replication_group",
        "lookups",
        ["snapshot_days"],
        lambda: cache.modify_replication_group(
            ReplicationGroupId=P + "lookups", SnapshotRetentionLimit=9, ApplyImmediately=True
        ),
    )
    change(
        "opensearch.domain",
        "logs",
        ["access", "tls_policy"],
        lambda: search.update_domain_config(
            DomainName=P + "logs",
            AccessPolicies=json.dumps(OPEN),
            DomainEndpointOptions={"EnforceHTTPS": True, "TLSSecurityPolicy": "Policy-Min-TLS-1-0-2019-07"},
        ),
    )


def services():
    ecs, ecr, lb, scaling = client("ecs"), client("ecr"), client("elbv2"), client("application-autoscaling")
    # The settings of the cluster are not among them: moto answers UpdateClusterSettings with 500.
    change(
        "ecs.service",
        "lookup",
        ["execute_command"],
        lambda: ecs.update_service(cluster=P + "main", service=P + "lookup", enableExecuteCommand=True),
    )
    rolling = {"maximumPercent": 150, "minimumHealthyPercent": 50}
    change(
        "ecs.service",
        "reservation",
        ["rolling"],
        lambda: ecs.update_service(cluster=P + "main", service=P + "reservation", deploymentConfiguration=rolling),
    )
    change(
        "ecr.repository",
        "runtime",
        ["scan_on_push"],
        lambda: ecr.put_image_scanning_configuration(
            repositoryName=P + "runtime", imageScanningConfiguration={"scanOnPush": False}
        ),
    )
    change("ecr.repository", "runtime", ["lifecycle"], lambda: ecr.delete_lifecycle_policy(repositoryName=P + "runtime"))
    change(
        "ecr.repository",
        "runtime",
        ["statements"],
        lambda: ecr.set_repository_policy(repositoryName=P + "runtime", policyText=json.dumps(OPEN)),
    )

    web = lb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]

    def attribute(key, value):
        attributes = [{"Key": key, "Value": value}]
        return lambda: lb.modify_load_balancer_attributes(LoadBalancerArn=web, Attributes=attributes)

    change("elbv2.load_balancer", "web", ["idle_timeout"], attribute("idle_timeout.timeout_seconds", "30"))
    drop = "routing.http.drop_invalid_header_fields.enabled"
    change("elbv2.load_balancer", "web", ["drop_invalid_headers"], attribute(drop, "false"))
    every = lb.describe_target_groups()["TargetGroups"]

    def group(name):
        return next(g["TargetGroupArn"] for g in every if g["TargetGroupName"].startswith(P + name))

    change(
        "elbv2.target_group",
        "lookup",
        ["health"],
        lambda: lb.modify_target_group(TargetGroupArn=group("lookup"), HealthCheckPath="/elsewhere"),
    )
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "5"}]
    change(
        "elbv2.target_group",
        "notification",
        ["deregistration_delay"],
        lambda: lb.modify_target_group_attributes(TargetGroupArn=group("notification"), Attributes=delay),
    )

    to_lookup = [{"Type": "forward", "TargetGroupArn": group("lookup")}]
    listener = lb.describe_listeners(LoadBalancerArn=web)["Listeners"][0]["ListenerArn"]
    beside(
        "elbv2.listener",
        "web/8080",
        "elbv2.load_balancer web",
        lambda: lb.create_listener(LoadBalancerArn=web, Protocol="HTTP", Port=8080, DefaultActions=to_lookup),
    )
    until_seen(lambda: len(lb.describe_listeners(LoadBalancerArn=web)["Listeners"]) > 1)
    secret_paths = [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/elsewhere*"]}}]
    beside(
        "elbv2.rule",
        "web/7",
        "elbv2.listener web",
        lambda: lb.create_rule(ListenerArn=listener, Priority=7, Conditions=secret_paths, Actions=to_lookup),
    )
    until_seen(lambda: "7" in [rule["Priority"] for rule in lb.describe_rules(ListenerArn=listener)["Rules"]])

    space = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    resource = f"service/{P}main/{P}lookup"
    change(
        "autoscaling.target",
        "lookup",
        ["max"],
        lambda: scaling.register_scalable_target(ResourceId=resource, MinCapacity=1, MaxCapacity=77, **space),
    )
    policy = scaling.describe_scaling_policies(ServiceNamespace="ecs", ResourceId=resource)["ScalingPolicies"][0]
    aim = dict(policy["TargetTrackingScalingPolicyConfiguration"], TargetValue=11.0)
    change(
        "autoscaling.policy",
        "lookup",
        ["aim"],
        lambda: scaling.put_scaling_policy(
            PolicyName=policy["PolicyName"],
            ResourceId=resource,
            PolicyType=policy["PolicyType"],
            TargetTrackingScalingPolicyConfiguration=aim,
            **space,
        ),
    )
    beside(
        "autoscaling.policy",
        "lookup/by-hand",
        "autoscaling.target lookup",
        lambda: scaling.put_scaling_policy(
            PolicyName="by-hand",
            ResourceId=resource,
            PolicyType=policy["PolicyType"],
            TargetTrackingScalingPolicyConfiguration=aim,
            **space,
        ),
    )


def rest():
    iam, logs, functions, watch, kms = (client(s) for s in ("iam", "logs", "lambda", "cloudwatch", "kms"))
    roles = {role["RoleName"] for role in iam.list_roles(PathPrefix="/provision/")["Roles"]}
    execution = next(role for role in roles if role.startswith(P + "lookup-execution"))
    task = next(role for role in roles if role.startswith(P + "reservation-task"))
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    inline = iam.list_role_policies(RoleName=execution)["PolicyNames"][0]
    change(
        "iam.role",
        "lookup-execution",
        ["policy"],
        lambda: iam.put_role_policy(RoleName=execution, PolicyName=inline, PolicyDocument=json.dumps(wide)),
    )
    change(
        "iam.role",
        "lookup-execution",
        ["inline_policies.by-hand"],
        lambda: iam.put_role_policy(RoleName=execution, PolicyName="by-hand", PolicyDocument=json.dumps(wide)),
    )
    trusting = next(role for role in roles if role.startswith(P + "notification-task"))
    anybody = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}
    anybody["Statement"][0]["Principal"] = {"AWS": "210987654321"}
    change(
        "iam.role",
        "notification-task",
        ["trust"],
        lambda: iam.update_assume_role_policy(RoleName=trusting, PolicyDocument=json.dumps(anybody)),
    )
    # The policy is our own, because the emulator does not have all of AWS's.
    managed = iam.create_policy(PolicyName="by-hand", PolicyDocument=json.dumps(wide))["Policy"]["Arn"]
    change("iam.role", "reservation-task", ["managed"], lambda: iam.attach_role_policy(RoleName=task, PolicyArn=managed))

    group = "/sendy-dev/lookup"
    change(
        "logs.log_group",
        "lookup",
        ["retention_days"],
        lambda: logs.put_retention_policy(logGroupName=group, retentionInDays=1),
    )
    shipped = "/sendy-dev/reservation"
    filters = logs.describe_subscription_filters(logGroupName=shipped)["subscriptionFilters"]
    kept = {"filterName": filters[0]["filterName"], "destinationArn": filters[0]["destinationArn"]}
    change(
        "logs.subscription_filter",
        "reservation",
        ["pattern"],
        lambda: logs.put_subscription_filter(logGroupName=shipped, filterPattern="nothing", **kept),
    )
    change(
        "lambda.function",
        "forwarder",
        ["timeout", "memory"],
        lambda: functions.update_function_configuration(FunctionName=P + "forwarder", Timeout=10, MemorySize=128),
    )
    called = functions.get_function(FunctionName=P + "forwarder")["Configuration"]["FunctionArn"]
    beside(
        "logs.subscription_filter",
        "lookup/by-hand",
        "logs.log_group lookup",
        lambda: logs.put_subscription_filter(
            logGroupName=group, filterName="by-hand", filterPattern="", destinationArn=called
        ),
    )
    beside(
        "lambda.permission",
        "forwarder/anybody",
        "lambda.function forwarder",
        lambda: functions.add_permission(
            FunctionName=P + "forwarder", StatementId="anybody", Action="lambda:InvokeFunction", Principal="*"
        ),
    )
    change(
        "lambda.function",
        "forwarder",
        ["urls"],
        lambda: functions.create_function_url_config(FunctionName=P + "forwarder", AuthType="NONE"),
    )
    beside(
        "lambda.source",
        "forwarder/elsewhere",
        "lambda.function forwarder",
        lambda: functions.create_event_source_mapping(FunctionName=P + "forwarder", EventSourceArn=elsewhere()),
    )
    alarm = watch.describe_alarms(AlarmNames=[P + "errors"])["MetricAlarms"][0]
    given = ["AlarmName", "AlarmDescription", "ActionsEnabled", "AlarmActions", "OKActions", "MetricName", "Namespace"]
    given += ["Statistic", "Dimensions", "Period", "EvaluationPeriods", "ComparisonOperator", "TreatMissingData"]
    same = {name: alarm[name] for name in given if name in alarm}
    same["OKActions"] = alarm["AlarmActions"]
    change(
        "cloudwatch.alarm",
        "errors",
        ["threshold", "other_actions"],
        lambda: watch.put_metric_alarm(Threshold=4711.0, **same),
    )
    # The dashboard is not among them: moto makes another one of the same name, without the tags of the first.
    key = kms.describe_key(KeyId="alias/sendy-dev")["KeyMetadata"]["KeyId"]
    change("kms.key", "main", ["rotation"], lambda: kms.disable_key_rotation(KeyId=key))
    # The key's policy is not among them: moto takes no PutKeyPolicy without a name, which AWS does not ask for.


messaging()
network()
data()
services()
rest()
