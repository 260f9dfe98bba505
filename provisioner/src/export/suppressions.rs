//! The findings of scanners that are accepted, each with the reason. They are written into the template at the place
//! where the scanners look for them.
//!
//! Rules with small letters are of AWS's Control Tower, those with capitals of the aws-guard-rules-registry.

use serde_json::{Map, Value, json};

pub(super) struct Suppression {
    /// The kind of resource.
    of: &'static str,
    when: fn(&Value) -> bool,
    checkov: &'static [&'static str],
    guard: &'static [&'static str],
    lint: &'static [&'static str],
    reason: &'static str,
}

pub(super) fn of(kind: &str, properties: &Value) -> Vec<&'static Suppression> {
    ALL.iter().filter(|it| it.of == kind && (it.when)(properties)).collect()
}

pub(super) fn metadata(all: &[&Suppression]) -> Value {
    let reasons = |rules: fn(&Suppression) -> &'static [&'static str]| {
        let each = all.iter().flat_map(|it| rules(it).iter().map(|rule| ((*rule).to_owned(), Value::from(it.reason))));
        each.collect::<Map<String, Value>>()
    };
    let mut metadata = Map::new();
    let checkov = reasons(|it| it.checkov);
    if !checkov.is_empty() {
        let skip: Vec<Value> =
            checkov.into_iter().map(|(rule, reason)| json!({"id": rule, "comment": reason})).collect();
        metadata.insert("checkov".into(), json!({"skip": skip}));
    }
    let guard = reasons(|it| it.guard);
    if !guard.is_empty() {
        let rules: Vec<&String> = guard.keys().collect();
        metadata.insert("guard".into(), json!({"SuppressedRules": rules, "Reasons": guard}));
    }
    let lint = reasons(|it| it.lint);
    if !lint.is_empty() {
        let rules: Vec<&String> = lint.keys().collect();
        metadata.insert("cfn-lint".into(), json!({"config": {"ignore_checks": rules}, "reasons": lint}));
    }
    Value::Object(metadata)
}

const DATABASE: &str = "AWS::RDS::DBInstance";
const DOMAIN: &str = "AWS::OpenSearchService::Domain";
const CACHE: &str = "AWS::ElastiCache::ReplicationGroup";
const BALANCER: &str = "AWS::ElasticLoadBalancingV2::LoadBalancer";
const LISTENER: &str = "AWS::ElasticLoadBalancingV2::Listener";
const FUNCTION: &str = "AWS::Lambda::Function";
const ROUTE: &str = "AWS::ApiGatewayV2::Route";
const STAGE: &str = "AWS::ApiGatewayV2::Stage";
const PERMISSION: &str = "AWS::Lambda::Permission";
const TABLE: &str = "AWS::DynamoDB::Table";
const QUEUE: &str = "AWS::SQS::Queue";
const ROLE: &str = "AWS::IAM::Role";
const GROUP: &str = "AWS::EC2::SecurityGroup";

const BASE: Suppression = Suppression { of: "", when: |_| true, checkov: &[], guard: &[], lint: &[], reason: "" };

static ALL: &[Suppression] = &[
    Suppression {
        of: TABLE,
        checkov: &["CKV_AWS_119"],
        guard: &["dynamodb_table_encrypted_kms_check"],
        reason: "Items are encrypted under DynamoDB's own key: who may use the table follows from IAM alone.",
        ..BASE
    },
    Suppression {
        of: TABLE,
        when: |it| it["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == false,
        checkov: &["CKV_AWS_28"],
        guard: &["dynamodb_table_pitr_enabled_check"],
        reason: "The data of dev can be made anew; in prod any second of the last 35 days can be restored.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        checkov: &["CKV_AWS_118"],
        guard: &["rds_instance_enhanced_monitoring_enabled_check", "RDS_ENHANCED_MONITORING_ENABLED"],
        reason: "Enhanced monitoring costs money and a role; CloudWatch has the metrics that the alarms need.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: is_primary,
        guard: &["rds_instance_no_default_ports_check"],
        reason: "Another port hides nothing: nobody outside its security group reaches it.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: is_primary,
        guard: &["rds_instance_logging_enabled_check"],
        reason: "The general log would hold every statement with its data, and the audit log takes a plugin; the error log and the slow query log are exported.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        guard: &["RDS_MASTER_USER_NAME_NO_PLAINTEXT_PASSWORD", "RDS_MASTER_USER_PASSWORD_NO_PLAINTEXT_PASSWORD"],
        reason: "The password is a dynamic reference to Secrets Manager, inside Fn::Sub, which the rule does not look into. The name is not a secret.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: is_primary,
        lint: &["E3691"],
        reason: "RDS takes the major version and chooses the minor one; the linter knows minor ones only.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: |it| !is_primary(it),
        checkov: &["CKV_AWS_16"],
        guard: &["RDS_STORAGE_ENCRYPTED"],
        reason: "A replica is encrypted as its source is, under the same key, and RDS refuses any other setting.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: |it| !is_primary(it),
        checkov: &["CKV_AWS_157"],
        guard: &["RDS_MULTI_AZ_SUPPORT"],
        reason: "A standby of the replica would cost as much again, and without a replica the primary answers.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: |it| !is_primary(it),
        guard: &["DB_INSTANCE_BACKUP_ENABLED"],
        reason: "Backups are taken of its source.",
        ..BASE
    },
    Suppression {
        of: DOMAIN,
        checkov: &["CKV_AWS_84", "CKV_AWS_317"],
        guard: &[
            "opensearch_application_logging_enabled_check",
            "opensearch_audit_logging_enabled_check",
            "OPENSEARCH_APPLICATION_LOGGING_ENABLED",
            "OPENSEARCH_AUDIT_LOGGING_ENABLED",
        ],
        reason: "Its logs take a resource policy of the whole account, of which a region has ten.",
        ..BASE
    },
    Suppression {
        of: DOMAIN,
        guard: &["opensearch_https_required_check", "OPENSEARCH_HTTPS_REQUIRED"],
        reason: "The rule knows one policy only, and this one is stricter: TLS 1.2 or 1.3, always with forward secrecy.",
        ..BASE
    },
    Suppression {
        of: BALANCER,
        checkov: &["CKV_AWS_91"],
        guard: &["elbv2_logging_enabled_check", "ELBV2_ACCESS_LOGGING_RULE"],
        reason: "Access logs take a bucket and cost money: decide for yourself whether you want them. Services log every request.",
        ..BASE
    },
    Suppression {
        of: LISTENER,
        when: |it| it["Protocol"] == "HTTP" && it["DefaultActions"][0]["Type"] != "redirect",
        checkov: &["CKV_AWS_2", "CKV_AWS_103"],
        guard: &[
            "alb_http_to_https_redirection_check",
            "ELBV2_LISTENER_PROTOCOL_RULE",
            "ELBV2_LISTENER_SSL_POLICY_RULE",
        ],
        reason: "The stack file names no certificate. With `network.certificate` this listener answers on 443, and 80 redirects.",
        ..BASE
    },
    Suppression {
        of: LISTENER,
        when: |it| it["DefaultActions"][0]["Type"] == "redirect",
        guard: &["ELBV2_LISTENER_PROTOCOL_RULE", "ELBV2_LISTENER_SSL_POLICY_RULE"],
        reason: "It does nothing but redirect to HTTPS.",
        ..BASE
    },
    Suppression {
        of: CACHE,
        guard: &["elasticache_repl_grp_rbac_auth_enabled_check"],
        reason: "Services show an AUTH token, over TLS; users of their own would all be allowed the same.",
        ..BASE
    },
    Suppression {
        of: FUNCTION,
        checkov: &["CKV_AWS_115"],
        guard: &["LAMBDA_CONCURRENCY_CHECK"],
        reason: "Reserved concurrency is taken from all functions of the account, and new accounts have too little of it.",
        ..BASE
    },
    Suppression {
        of: FUNCTION,
        checkov: &["CKV_AWS_116"],
        guard: &["LAMBDA_DLQ_CHECK"],
        reason: "Events that fail for good go to a queue by the function's EventInvokeConfig, which says more than a dead-letter queue.",
        ..BASE
    },
    Suppression {
        of: STAGE,
        guard: &["api_gw_v2_access_logs_enabled_check"],
        reason: "It logs. The rule knows only a reference to the group, whose ARN has `:*` at its end: a stage takes it without.",
        ..BASE
    },
    Suppression {
        of: PERMISSION,
        when: |it| it["Principal"] == "apigateway.amazonaws.com",
        guard: &["lambda_function_public_access_prohibited_check"],
        reason: "SourceArn names the stack's own API. The rule knows only plain references, and not an ARN with an id in it.",
        ..BASE
    },
    Suppression {
        of: QUEUE,
        checkov: &["CKV_AWS_27"],
        guard: &["SQS_QUEUE_KMS_MASTER_KEY_ID_RULE"],
        reason: "It is encrypted, under SQS's own keys and at no cost (SSE-SQS). SNS could not deliver under alias/aws/sqs.",
        ..BASE
    },
    Suppression {
        of: QUEUE,
        when: |it| it["RedrivePolicy"].is_null(),
        guard: &["sqs_dlq_check"],
        reason: "It is a dead-letter queue itself.",
        ..BASE
    },
    Suppression {
        of: ROLE,
        when: |it| says_star(it, |action| action.starts_with("ec2:")),
        checkov: &["CKV_AWS_111"],
        reason: "Lambda makes network interfaces before they have a name that a policy could hold (Lambda developer guide).",
        ..BASE
    },
    Suppression {
        of: ROLE,
        when: |it| says_star(it, |_| true),
        guard: &["IAM_POLICYDOCUMENT_NO_WILDCARD_RESOURCE"],
        reason: "Only for actions that know no resources: ecr:GetAuthorizationToken, and a function's network interfaces.",
        ..BASE
    },
    Suppression {
        of: ROLE,
        when: |it| !it["Policies"].is_null(),
        guard: &["IAM_NO_INLINE_POLICY_CHECK"],
        reason: "The policy is for this role alone, and comes and goes with it.",
        ..BASE
    },
    Suppression {
        of: GROUP,
        when: |it| !it["SecurityGroupIngress"].is_null(),
        checkov: &["CKV_AWS_260"],
        guard: &["EC2_SECURITY_GROUP_INGRESS_OPEN_TO_WORLD_RULE", "SECURITY_GROUP_INGRESS_CIDR_NON_32_RULE"],
        reason: "The world is meant to reach the load balancer, and nothing else.",
        ..BASE
    },
    Suppression {
        of: GROUP,
        when: |it| it["SecurityGroupEgress"].to_string().contains("0.0.0.0/0"),
        guard: &["EC2_SECURITY_GROUP_EGRESS_OPEN_TO_WORLD_RULE"],
        reason: "AWS's own endpoints have no fixed addresses; only the ports are known.",
        ..BASE
    },
    Suppression {
        of: "AWS::EC2::Route",
        when: |it| !it["GatewayId"].is_null(),
        guard: &["NO_UNRESTRICTED_ROUTE_TO_IGW"],
        reason: "Public subnets hold the load balancer and the NAT gateways, and nothing else.",
        ..BASE
    },
    Suppression {
        of: "AWS::ECS::TaskDefinition",
        guard: &["ecs_task_definition_memory_hard_limit_check"],
        reason: "The task has a limit, and this is the only container in it.",
        ..BASE
    },
    Suppression {
        of: "AWS::KMS::Key",
        guard: &["kms_create_grant_aws_service_check"],
        reason: "The account's IAM policies decide who may make grants. The key's own policy gives that right to nobody else.",
        ..BASE
    },
    Suppression {
        of: "AWS::SecretsManager::Secret",
        guard: &["SECRETSMANAGER_ROTATION_ENABLED_CHECK"],
        reason: "A database with a replica cannot have a managed password, and services take a new password only when they start anew. So it changes only when somebody changes it on purpose.",
        ..BASE
    },
    Suppression { of: "AWS::CloudWatch::Alarm", guard: &[NAMES], reason: NAMED, ..BASE },
    Suppression { of: "AWS::ECR::Repository", guard: &[NAMES], reason: NAMED, ..BASE },
    Suppression { of: BALANCER, guard: &[NAMES], reason: NAMED, ..BASE },
    Suppression { of: DATABASE, guard: &[NAMES], reason: NAMED, ..BASE },
    Suppression { of: GROUP, guard: &[NAMES], reason: NAMED, ..BASE },
    Suppression { of: ROLE, guard: &[NAMES], reason: NAMED, ..BASE },
    // Rules that the profile `dev` does not follow.
    Suppression {
        of: DATABASE,
        when: |it| it["MultiAZ"] == false,
        checkov: &["CKV_AWS_157"],
        guard: &["rds_instance_multi_az_support_check", "RDS_MULTI_AZ_SUPPORT"],
        reason: "A standby doubles the price. There is one in prod, or with `standby: true`.",
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: |it| it["DeletionProtection"] == false,
        guard: &["rds_instance_deletion_protection_enabled_check", "RDS_INSTANCE_DELETION_PROTECTION_ENABLED"],
        reason: UNPROTECTED,
        ..BASE
    },
    Suppression {
        of: DATABASE,
        when: |it| it["BackupRetentionPeriod"].as_u64().is_some_and(|days| days < 7),
        guard: &["rds_instance_backup_enabled_check"],
        reason: "Fewer days of backups cost less. In prod there are seven; `backup_days` sets another number.",
        ..BASE
    },
    Suppression {
        of: BALANCER,
        when: |it| it["LoadBalancerAttributes"][0]["Value"] == "false",
        guard: &["elbv2_deletion_protection_enabled_check", "ELB_DELETION_PROTECTION_ENABLED"],
        reason: UNPROTECTED,
        ..BASE
    },
    Suppression {
        of: "AWS::Logs::LogGroup",
        when: |it| it["RetentionInDays"].as_u64().is_some_and(|days| days < 365),
        guard: &["cloudwatch_log_group_retention_period_check"],
        reason: "Logs of dev are kept for a week, those of prod for a year. `logs.keep_days` sets another time.",
        ..BASE
    },
    Suppression {
        of: DOMAIN,
        when: |it| it["VPCOptions"].is_null(),
        guard: &["opensearch_in_vpc_only_check", "OPENSEARCH_IN_VPC_ONLY"],
        reason: "In dev it has a public endpoint, which answers only signed requests of the roles that its policy names.",
        ..BASE
    },
    Suppression {
        of: DOMAIN,
        when: |it| it["ClusterConfig"]["InstanceCount"].as_u64().is_some_and(|nodes| nodes < 3),
        guard: &["opensearch_data_node_fault_tolerance_check", "OPENSEARCH_DATA_NODE_FAULT_TOLERANCE"],
        reason: "Each node costs as much again. In prod there are three; `nodes` sets another number.",
        ..BASE
    },
    Suppression {
        of: FUNCTION,
        when: |it| it["VpcConfig"].is_null(),
        checkov: &["CKV_AWS_117"],
        guard: &["lambda_inside_vpc_check", "LAMBDA_INSIDE_VPC"],
        reason: "It needs nothing inside the network: only what uses a database, a cache or a search domain there is inside.",
        ..BASE
    },
    Suppression {
        of: ROUTE,
        checkov: &["CKV_AWS_309"],
        guard: &["api_gw_v2_authorization_type_configured_check"],
        reason: "The API is public. What not everybody may do, the function refuses.",
        ..BASE
    },
];

const NAMES: &str = "CFN_NO_EXPLICIT_RESOURCE_NAMES";
const UNPROTECTED: &str = "Resources of dev come and go. In prod this one is protected.";
const NAMED: &str = "The names are those of `up`, and the dashboard and policies know them.";

fn is_primary(database: &Value) -> bool {
    database["SourceDBInstanceIdentifier"].is_null()
}

/// Whether the role allows something for `*`.
fn says_star(role: &Value, what: fn(&str) -> bool) -> bool {
    let policies = role["Policies"].as_array().into_iter().flatten();
    let mut statements =
        policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
    let star = |statement: &Value| statement["Resource"].as_array().is_some_and(|all| all.iter().any(|one| one == "*"));
    let named = |statement: &Value| {
        let actions = statement["Action"].as_array().into_iter().flatten().filter_map(Value::as_str);
        actions.into_iter().any(what)
    };
    statements.any(|statement| star(statement) && named(statement))
}
