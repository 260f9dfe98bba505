//! The time when the AUTH token of a cache was last set. ministack does not tell it.

use crate::account::last_part;
use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;

pub(super) fn after(shared: &Shared, request: &Request, answer: &mut Answer) {
    if !answer.ok() {
        return;
    }
    let mut state = shared.state();
    let set = &mut state.repairs.auth_tokens;
    if let (Some(_), Some(id)) = (request.text("AuthToken"), request.text("ReplicationGroupId")) {
        set.push((request.home.clone(), id.to_lowercase()));
    }
    let Some(root) = answer.xml_body_mut() else { return };
    root.walk_mut(&mut |element| {
        let Some(id) = element.at("ReplicationGroupId").map(last_part) else { return };
        let last = set.iter().rposition(|(home, other)| *home == request.home && *other == id.to_lowercase());
        if let (Some(last), true) = (last, element.child("MemberClusters").is_some()) {
            // This is a clock that ticks with each token: only the order matters.
            let date = format!("2026-01-01T{:02}:{:02}:{:02}Z", last / 3600 % 24, last / 60 % 60, last % 60);
            element.set("AuthTokenLastModifiedDate", &date);
        }
    });
}
