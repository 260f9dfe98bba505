//! The events of databases, caches and search domains. Emulators have no failures, so they have no events of them.

use crate::account::{Phase, Thing, last_part};
use crate::answer::Answer;
use crate::request::Request;
use crate::server::Shared;
use crate::xml::Element;
use serde_json::json;

pub(super) fn before(shared: &Shared, request: &Request) -> Option<Answer> {
    match (request.service.as_str(), request.action.as_str()) {
        ("rds", "DescribeEvents") => Some(events(shared, request, "rds.instance", "db-instance")),
        ("elasticache", "DescribeEvents") => Some(events(shared, request, "elasticache.replication_group", "replication-group")),
        ("opensearch", "DescribeDomainChangeProgress") => progress(shared, request),
        _ => None,
    }
}

fn events(shared: &Shared, request: &Request, kind: &'static str, source: &str) -> Answer {
    let state = shared.state();
    let asked = request.text("SourceIdentifier");
    let wanted = |thing: &&Thing| asked.is_none_or(|id| id.eq_ignore_ascii_case(&thing.id));
    let mut list = Element::new("Events");
    for thing in state.account.of_kind(&request.home, kind).filter(wanted) {
        // RDS-EVENT-0005 and -0031 of the RDS user guide; ElastiCache's as its user guide shows them.
        let told: &[(&str, &str)] = match (kind, thing.phase()) {
            ("rds.instance", Phase::Failed) => &[
                ("creation", "DB instance created"),
                (
                    "failure",
                    "The DB instance has failed due to an incompatible configuration or an underlying storage issue. Begin a \
                     point-in-time-restore for the DB instance.",
                ),
            ],
            ("rds.instance", _) => &[("creation", "DB instance created")],
            (_, Phase::Failed) => &[("", "Failed to create replication group due to insufficient capacity in zone a")],
            _ => &[("", "Replication group created")],
        };
        for (category, message) in told {
            let mut event = Element::new("Event");
            event.set("SourceIdentifier", &thing.id);
            event.set("SourceType", source);
            event.set("Message", message);
            if !category.is_empty() {
                event.set("EventCategories/EventCategory", category);
            }
            event.set("Date", "2026-01-01T00:00:00Z");
            list.children.push(event);
        }
    }
    Answer::xml(request, vec![list])
}

fn progress(shared: &Shared, request: &Request) -> Option<Answer> {
    let name = last_part(request.text("DomainName")?);
    let state = shared.state();
    let failed = state.account.get(&request.home, "opensearch.domain", &name)?.phase() == Phase::Failed;
    let (status, said) = match failed {
        true => ("FAILED", "The domain's key is disabled, or the service may not use it."),
        false => ("COMPLETED", ""),
    };
    let stages = json!([
        {"Name": "Validation", "Status": "COMPLETED", "Description": ""},
        {"Name": "Creating a new environment", "Status": status, "Description": said},
    ]);
    let change = json!({"ChangeId": "change", "Status": status, "TotalNumberOfStages": 2, "ChangeProgressStages": stages});
    Some(Answer::json(request, json!({"ChangeProgressStatus": change})))
}
