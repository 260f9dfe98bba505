use super::statements::every_line;
use super::*;
use crate::kinds::service::Bound;

/// All actions that a policy may have.
fn all() -> BTreeSet<&'static str> {
    let mut all: BTreeSet<&str> = [OURS, ZONES, lease::ACTIONS, denial::ACTIONS].concat().into_iter().collect();
    all.extend(crate::commands::aws::actions::all());
    all.extend(KINDS.iter().flat_map(|kind| kind.facts().actions));
    all
}

#[test]
fn every_action_is_of_a_known_service_and_allowed_on_something() {
    let tags = Default::default();
    let scope = Scope { account: "1".into(), region: "eu-west-1".into(), stack: "a".into(), env: "b".into(), tags };
    let all = all();
    let lines = Lines::of(&all);
    let mut allowed: BTreeSet<&str> = lines.everything.iter().copied().collect();
    allowed.extend(lines.reads.values().flatten());
    for service in lines.reads.keys() {
        assert!(!statements::readable(&scope, service).is_empty(), "{service} is read on nothing");
    }
    for (service, line, actions) in &lines.writes {
        assert!(!line.arns(&scope, service).is_empty(), "{actions:?} are allowed on nothing");
        allowed.extend(actions);
    }
    let nowhere: Vec<_> = all.difference(&allowed).collect();
    assert!(nowhere.is_empty(), "{nowhere:?} are in no line");
    let reads = |action: &&str| looks(action) || action.starts_with("sts:");
    assert!(lines.everything.iter().all(reads), "a write on `*` has to say why it is not bound");
}

#[test]
fn nothing_is_said_of_actions_that_nobody_needs() {
    let all = all();
    let on_everything = SERVICES.iter().flat_map(|service| service.on_everything).copied();
    let dependent = SERVICES.iter().flat_map(|service| service.dependent).map(|dependent| dependent.action);
    let needless: Vec<&str> = on_everything.chain(dependent).filter(|action| !all.contains(action)).collect();
    assert_eq!(needless, [""; 0]);
    for (service, line) in every_line() {
        let taken = all.iter().any(|action| action.starts_with(&format!("{service}:")) && line.actions.has(action));
        assert!(taken, "a line of {service} allows nothing");
    }
}

/// Who adds a right that nothing binds has to add it here.
#[test]
fn what_is_not_bound() {
    let tags = Default::default();
    let scope = Scope { account: "*".into(), region: "eu-west-1".into(), stack: "a".into(), env: "b".into(), tags };
    let unbound = statements::unbound(&scope, &Lines::of(&all()));
    let told = unbound
        .iter()
        .filter(|one| !one.resources[0].contains(":default"))
        .map(|one| format!("{} on {}: {}", one.actions.join(" "), one.resources.join(" "), one.because));
    insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n"), @r"
    apigateway:DELETE apigateway:PATCH apigateway:POST apigateway:PUT on arn:aws:apigateway:eu-west-1::/apis* arn:aws:apigateway:eu-west-1::/tags/*: AWS draws the id of an API, and what is in an API has no tags of its own
    application-autoscaling:RegisterScalableTarget application-autoscaling:TagResource on arn:aws:application-autoscaling:eu-west-1:*:scalable-target/*: one call makes a target and changes it, and a new target has no tag yet
    dynamodb:CreateTable on arn:aws:dynamodb:eu-west-1:*:table/provision-leases: the first `up` of an account makes the table for the leases of all stacks
    ec2:CreateTags on arn:aws:ec2:eu-west-1:*:security-group/*: AWS makes the default group of a VPC without tags, and draws its id
    ec2:DeleteNetworkInterface on arn:aws:ec2:eu-west-1:*:network-interface/*: Lambda makes the interfaces of a function without tags
    ecs:DeregisterTaskDefinition on *: ECS takes no resource for it
    iam:CreateServiceLinkedRole on arn:aws:iam::*:role/aws-service-role/*: a service has one such role for the whole account, and makes it itself
    kms:TagResource on arn:aws:kms:eu-west-1:*:key/*: CreateKey with tags asks for it before the key has any
    lambda:TagResource on arn:aws:lambda:eu-west-1:*:event-source-mapping:*: CreateEventSourceMapping with tags asks for it, and AWS draws the id of a mapping
    logs:CreateLogDelivery logs:DeleteLogDelivery logs:PutResourcePolicy logs:UpdateLogDelivery on *: API Gateway sets up the delivery of an access log in our name, and AWS draws its id
    route53:AssociateVPCWithHostedZone on arn:aws:route53:::hostedzone/*: the private DNS of an interface endpoint is a hosted zone of AWS's own
    sns:SetSubscriptionAttributes sns:Unsubscribe on *: IAM knows no resource of a subscription, and no tag
    ");
    let named = every_line().into_iter().filter(|(_, line)| matches!(line.bound, Bound::Name));
    for (service, line) in named {
        let others = line.arns(&scope, service).into_iter().filter(|arn| {
            let given = [":default", "/none", "-service-role/"].iter().any(|part| arn.contains(part));
            !given && !arn.contains("a-b") && !arn.contains("/a/b/")
        });
        assert_eq!(others.collect::<Vec<_>>(), [""; 0], "these are everybody's");
    }
}
