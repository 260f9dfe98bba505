//! A few calls that AWS refuses, against the account as earlier calls left it.

use super::{Verdict, judge};
use crate::account::Account;
use crate::answer::{Answer, Body};
use crate::lifecycle::{Pace, observe};
use crate::request::Request;
use crate::request::tests::{form, json};
use crate::xml;

const PACE: Pace = Pace { on: true, scale: 1.0, fails: Vec::new() };

/// The account after calls that all succeeded, each with its answer.
fn after(calls: &[(Request, &str)]) -> Account {
    let mut account = Account::default();
    for (request, answer) in calls {
        let body = xml::parse(answer).map_or_else(|| Body::Json(serde_json::from_str(answer).unwrap_or_default()), Body::Xml);
        let answer = Answer { status: 200, headers: Vec::new(), body };
        observe(&mut account, &PACE, request, &answer);
    }
    account
}

/// The name of the rule that refuses a call.
fn refused(account: &Account, request: &Request) -> Option<&'static str> {
    match judge(account, &PACE, request)? {
        Verdict::Refuse(rule, _) | Verdict::Notice(rule, _) => Some(rule),
        Verdict::Later(_) => Some("later"),
    }
}

#[test]
fn nothing_goes_while_it_is_used() {
    let subnet = "subnet-0123456789";
    let group = form("rds", &format!("Action=CreateDBSubnetGroup&DBSubnetGroupName=g&SubnetIds.SubnetIdentifier.1={subnet}"));
    let database = form("rds", "Action=CreateDBInstance&DBInstanceIdentifier=main&DBSubnetGroupName=g");
    let delete = form("ec2", &format!("Action=DeleteSubnet&SubnetId={subnet}"));
    // A group without instances holds nothing.
    assert_eq!(refused(&after(&[(group.clone(), "<a/>")]), &delete), None);
    let account = after(&[(group, "<a/>"), (database, "<a/>")]);
    assert_eq!(refused(&account, &delete), Some("subnet-in-use"));
    assert_eq!(refused(&account, &form("rds", "Action=DeleteDBSubnetGroup&DBSubnetGroupName=g")), Some("db-subnet-group-in-use"));
}

#[test]
fn groups_that_name_each_other_hold_each_other() {
    let (one, two) = ("sg-0000000001", "sg-0000000002");
    let allow = form(
        "ec2",
        &format!(
            "Action=AuthorizeSecurityGroupIngress&GroupId={one}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId={two}"
        ),
    );
    let told = format!(
        "<a><set><item><groupId>{one}</groupId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort><referencedGroupInfo><groupId>{two}</groupId></referencedGroupInfo><securityGroupRuleId>sgr-1</securityGroupRuleId></item></set></a>"
    );
    let delete = form("ec2", &format!("Action=DeleteSecurityGroup&GroupId={two}"));
    assert_eq!(refused(&after(&[(allow.clone(), &told)]), &delete), Some("security-group-in-use"));
    let revoke = form(
        "ec2",
        &format!(
            "Action=RevokeSecurityGroupIngress&GroupId={one}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80&IpPermissions.1.Groups.1.GroupId={two}"
        ),
    );
    assert_eq!(refused(&after(&[(allow, &told), (revoke, "<a/>")]), &delete), None);
}

#[test]
fn load_balancers_linger() {
    let subnet = "subnet-0123456789";
    let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/l/1";
    let create =
        form("elasticloadbalancing", &format!("Action=CreateLoadBalancer&Name=l&Subnets.member.1={subnet}&Subnets.member.2=x"));
    let told = format!("<a><LoadBalancerArn>{arn}</LoadBalancerArn></a>");
    let delete = form("elasticloadbalancing", &format!("Action=DeleteLoadBalancer&LoadBalancerArn={arn}"));
    let account = after(&[(create, &told), (delete, "<a/>")]);
    assert_eq!(refused(&account, &form("ec2", &format!("Action=DeleteSubnet&SubnetId={subnet}"))), Some("later"));
}

#[test]
fn twins_are_noticed_by_their_tags() {
    let create = form(
        "ec2",
        "Action=CreateVpc&TagSpecification.1.Tag.1.Key=provision:stack&TagSpecification.1.Tag.1.Value=s&TagSpecification.1.Tag.2.Key=provision:name&TagSpecification.1.Tag.2.Value=n",
    );
    assert_eq!(refused(&Account::default(), &create), None);
    assert_eq!(refused(&after(&[(create.clone(), "<a><vpcId>vpc-1</vpcId></a>")]), &create), Some("duplicate"));
}

#[test]
fn fargate_has_a_table() {
    let define = |cpu: &str, memory: &str| {
        json(
            "ecs",
            "RegisterTaskDefinition",
            serde_json::json!({"family": "f", "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc", "cpu": cpu, "memory": memory, "containerDefinitions": [{"name": "a"}]}),
        )
    };
    let account = Account::default();
    for (cpu, memory, fits) in
        [("256", "512", true), ("256", "4096", false), ("512", "1024", true), ("1024", "2560", false), ("16384", "122880", true)]
    {
        assert_eq!(refused(&account, &define(cpu, memory)).is_none(), fits, "{cpu}/{memory}");
    }
}

#[test]
fn replicas_and_snapshots() {
    let create = form("rds", "Action=CreateDBInstance&DBInstanceIdentifier=main&BackupRetentionPeriod=7");
    let replica = form("rds", "Action=CreateDBInstanceReadReplica&DBInstanceIdentifier=copy&SourceDBInstanceIdentifier=main");
    let account = after(&[(create, "<a/>"), (replica, "<a/>")]);
    let delete = |id: &str, more: &str| form("rds", &format!("Action=DeleteDBInstance&DBInstanceIdentifier={id}{more}"));
    assert_eq!(refused(&account, &delete("main", "&SkipFinalSnapshot=true")), Some("primary-with-replica"));
    assert_eq!(refused(&account, &delete("copy", "&FinalDBSnapshotIdentifier=x")), Some("final-snapshot"));
    assert_eq!(refused(&account, &delete("copy", "&SkipFinalSnapshot=true")), None);
}

#[test]
fn a_table_takes_one_change_at_a_time() {
    let table = |action: &str, more: serde_json::Value| {
        let mut body = serde_json::json!({"TableName": "t"});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json("dynamodb", action, body)
    };
    let stream = serde_json::json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}});
    let create = table("CreateTable", stream.clone());
    let account = after(&[(create, "{}")]);
    assert_eq!(refused(&account, &table("UpdateTable", stream)), Some("stream-twice"));
    let both = serde_json::json!({"DeletionProtectionEnabled": true, "BillingMode": "PAY_PER_REQUEST"});
    assert_eq!(refused(&account, &table("UpdateTable", both)), Some("two-changes-of-a-table"));
    let one = serde_json::json!({"DeletionProtectionEnabled": true});
    assert_eq!(refused(&account, &table("UpdateTable", one)), None);
    let expiry = table("UpdateTimeToLive", serde_json::json!({"TimeToLiveSpecification": {}}));
    assert_eq!(refused(&account, &expiry), None);
    let create = table("CreateTable", serde_json::json!({}));
    let account = after(&[(create, "{}"), (expiry.clone(), "{}")]);
    assert_eq!(refused(&account, &expiry), Some("expiry-twice-an-hour"));
}
