//! The life of a load balancer. It is provisioning at first; listeners and services may be attached meanwhile.

use super::{XmlKind, dress_xml};
use crate::account::{Account, Phase, Thing};
use crate::answer::Answer;
use crate::request::Request;
use crate::xml::Element;

const SHAPE: XmlKind = XmlKind {
    kind: "elbv2.load_balancer",
    id: "LoadBalancerArn",
    status: "State",
    container: "LoadBalancers",
    member: "member",
    describe: "DescribeLoadBalancers",
    asks: "LoadBalancerArns.member.1",
};

pub(super) fn dress(account: &mut Account, request: &Request, answer: &mut Answer) {
    dress_xml(account, request, answer, &SHAPE, &put);
}

fn put(element: &mut Element, thing: &Thing) {
    match thing.phase() {
        Phase::Creating => element.set("State/Code", "provisioning"),
        Phase::Failed => {
            element.set("State/Code", "failed");
            element.set("State/Reason", "failed on order");
        }
        _ => element.set("State/Code", "active"),
    }
}
