//! The gateway against the real emulators. If install.sh has not been run, nothing is tested, and nothing is said.

use gateway::gaps::{FUNCTIONS, GAPS, QUESTIONS};
use gateway::{Base, Effect, Gateway, Nth, Options, Rule, Upstreams, home};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// If an emulator has closed a gap, the gap must go from the table, and its repair with it.
#[tokio::test]
async fn gaps_are_still_there() {
    if !installed() {
        return;
    }
    let upstreams = Upstreams::lazy();
    let mut closed = Vec::new();
    for gap in GAPS.iter().chain(QUESTIONS).chain(FUNCTIONS) {
        let (still, told) = gap.ask(&upstreams).await.expect("the emulator answers");
        if !still {
            closed.push(format!("{:?}: {} ({})\n  {}", gap.emulator, gap.name, gap.why, told.join("\n  ")));
        }
        // Each gap is asked on a fresh emulator.
        upstreams.reset().await.expect("reset");
    }
    assert!(closed.is_empty(), "closed:\n{}", closed.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_breaks_and_kills() {
    if !installed() {
        return;
    }
    let gateway = Gateway::start(Options { mutate: false, ..Options::default() }).await.expect("start");
    let create = |name: &str| form(gateway.url(), "sns", &format!("Action=CreateTopic&Version=2010-03-31&Name={name}"));
    let list = || form(gateway.url(), "sns", "Action=ListTopics&Version=2010-03-31").expect("an answer").1;

    let rule = |nth, effect| Rule { action: Some("@write".to_owned()), nth: Some(Nth::One(nth)), effect, ..Rule::default() };
    gateway
        .rules(vec![rule(1, Effect::Throttle), rule(2, Effect::ResetBefore), rule(3, Effect::ResetAfter)])
        .expect("good rules");
    let (status, body) = create("throttled").expect("an answer");
    assert!(status == 400 && body.contains("<Code>Throttling</Code>"), "{status} {body}");
    assert_eq!(create("before"), None);
    assert_eq!(create("after"), None);
    let topics = list();
    assert!(!topics.contains(":throttled") && !topics.contains(":before") && topics.contains(":after"), "{topics}");
    let outcomes: Vec<String> = gateway.calls().into_iter().filter(|call| call.write).map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["fault Throttling", "reset before", "reset after"]);

    for (effect, executed) in [(Effect::KillBefore, false), (Effect::KillAfter, true)] {
        let mut victim = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        gateway.victim(victim.id());
        gateway.rules(vec![rule(1, effect)]).expect("good rules");
        let name = format!("kill-{executed}");
        assert_eq!(create(&name), None);
        assert!(!victim.wait().expect("the victim ends").success());
        assert_eq!(list().contains(&name), executed);
    }

    gateway.reset().await.expect("reset");
    assert!(gateway.calls().is_empty() && !list().contains(":after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn plays_life_cycles_and_refuses() {
    if !installed() {
        return;
    }
    for base in [Base::Moto, Base::Ministack] {
        let gateway = Gateway::start(Options { base, ..Options::default() }).await.expect("start");
        let ec2 = |body: &str| form(gateway.url(), "ec2", &format!("{body}&Version=2016-11-15")).expect("an answer").1;
        let rds = |body: &str| form(gateway.url(), "rds", &format!("{body}&Version=2014-10-31")).expect("an answer").1;
        let status = || text(&rds("Action=DescribeDBInstances&DBInstanceIdentifier=main"), "DBInstanceStatus");

        let vpc = text(&ec2("Action=CreateVpc&CidrBlock=10.0.0.0/16"), "vpcId");
        let mut groups = "Action=CreateDBSubnetGroup&DBSubnetGroupName=Group&DBSubnetGroupDescription=d".to_owned();
        let mut subnets = Vec::new();
        for (n, zone) in ["a", "b"].iter().enumerate() {
            let made = ec2(&format!("Action=CreateSubnet&VpcId={vpc}&CidrBlock=10.0.{n}.0/24&AvailabilityZone=eu-west-1{zone}"));
            subnets.push(text(&made, "subnetId"));
            groups.push_str(&format!("&SubnetIds.SubnetIdentifier.{}={}", n + 1, subnets[n]));
        }
        rds(&groups);
        let database = "&Engine=mysql&EngineVersion=8.4.3&DBInstanceClass=db.t4g.micro&AllocatedStorage=20&MasterUsername=u&MasterUserPassword=password";
        let made = rds(&format!("Action=CreateDBInstance&DBInstanceIdentifier=Main{database}&DBSubnetGroupName=group"));
        assert!(made.contains("<DBInstanceStatus>creating") && !made.contains("<Endpoint>"), "{made}");
        assert!(made.contains("<DBInstanceIdentifier>main<"), "{made}");
        assert!(
            rds("Action=DeleteDBInstance&DBInstanceIdentifier=main&SkipFinalSnapshot=true").contains("InvalidDBInstanceState")
        );
        wait(|| status() == "available");
        assert!(ec2(&format!("Action=DeleteSubnet&SubnetId={}", subnets[0])).contains("DependencyViolation"));

        // On a busy machine the database may be gone before another request could ask for it.
        let going = rds("Action=DeleteDBInstance&DBInstanceIdentifier=main&SkipFinalSnapshot=true");
        assert_eq!(text(&going, "DBInstanceStatus"), "deleting");
        wait(|| rds("Action=DescribeDBInstances&DBInstanceIdentifier=main").contains("DBInstanceNotFound"));
        assert!(!ec2(&format!("Action=DeleteSubnet&SubnetId={}", subnets[0])).contains("Error"));
        let rules: Vec<String> = gateway.refusals().into_iter().map(|refusal| refusal.rule).collect();
        assert_eq!(rules, ["state", "subnet-in-use"], "{base:?}");
    }
}

fn installed() -> bool {
    home().join("ministack/installed").exists()
}

fn wait(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited for 5 s");
}

/// The text of the first element of that name.
fn text(xml: &str, name: &str) -> String {
    let root = gateway::xml::parse(xml).unwrap_or_else(|| panic!("not XML: {xml}"));
    root.find(name).unwrap_or_else(|| panic!("no {name} in {xml}")).text.clone()
}

/// Sends one signed-looking call over a connection of its own. `None` if the connection was cut.
fn form(url: &str, service: &str, body: &str) -> Option<(u16, String)> {
    let host = url.strip_prefix("http://").expect("an http URL");
    let mut stream = TcpStream::connect(host).expect("connect");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).expect("send");
    let mut answer = String::new();
    // A cut connection may end in an error or in an empty answer.
    let _ = stream.read_to_string(&mut answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
