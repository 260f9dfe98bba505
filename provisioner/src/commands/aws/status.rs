//! `provision status`: shows what is live, section by section, and below it what people want to know about it.

use std::path::Path;

use serde_json::json;

use super::health;
use super::session::{open, take};
use crate::aws::Proof;
use crate::commands::document::pretty;
use crate::commands::failure::{Exit, Failure};
use crate::commands::files::write_whole;
use crate::commands::options::Global;
use crate::kind::Status;
use crate::kind::owner::Owner;
use crate::plan::kept::Kept;
use crate::printer::Printer;

/// Prints the status. `keep` is the file for a snapshot, which `plan --snapshot` reads.
pub(crate) async fn status(
    file: &Path,
    global: &Global,
    keep: Option<&Path>,
    printer: Printer,
) -> Result<Exit, Failure> {
    let session = open(file, global).await?;
    let snapshot = take(&session, Proof::Service, printer).await?;
    let desired = &session.expanded.desired;
    if let Some(path) = keep {
        let kept = Kept::of(&session.cx.scope, desired, &session.digests, &snapshot);
        write_whole(path, &pretty(&kept.document()))?;
        printer.talk(format!("what is live is in {}, without secrets, for `plan --snapshot`", path.display()));
    }
    let healths = health::take(&session.cx, desired, &snapshot, printer).await;
    let mut rows = Vec::new();
    for wanted in desired.resources() {
        let (word, id) = match snapshot.live.get(&wanted.address) {
            None => ("missing".to_owned(), String::new()),
            Some(live) => (word(&live.owner, &live.status), live.id.clone()),
        };
        rows.push((wanted.section.clone(), wanted.address.clone(), word, id));
    }
    for live in snapshot.live.values().filter(|live| desired.get(&live.address).is_none()) {
        rows.push((
            "(nothing asks for it)".to_owned(),
            live.address.clone(),
            word(&live.owner, &live.status),
            live.id.clone(),
        ));
    }
    if global.json {
        let list: Vec<_> = rows
            .iter()
            .map(|(section, address, word, id)| json!({"section": section, "kind": address.kind, "name": address.name, "status": word, "id": id}))
            .collect();
        let mut by_section = json!({});
        for (wanted, health) in healths {
            by_section[&wanted.section][&wanted.address.name] = json!(health);
        }
        let document = json!({"version": 1, "resources": list, "health": by_section});
        printer.document(&pretty(&document));
        return Ok(Exit::Done);
    }
    let width = rows.iter().map(|(section, ..)| section.len()).max().unwrap_or(0);
    let name_width = rows.iter().map(|(_, address, ..)| address.to_string().len()).max().unwrap_or(0);
    for (section, address, word, id) in rows {
        printer.data(format!("{section:width$}  {:name_width$}  {word:10}  {id}", address.to_string()));
    }
    if !healths.is_empty() {
        printer.data("");
    }
    for (wanted, health) in healths {
        printer.data(format!("{:width$}  {:name_width$}  {health}", wanted.section, wanted.address.to_string()));
    }
    Ok(Exit::Done)
}

fn word(owner: &Owner, status: &Status) -> String {
    match (owner, status) {
        (Owner::Foreign, _) => "foreign".to_owned(),
        (Owner::Beside(on), _) => format!("not of this stack, on {on}"),
        (_, Status::Ready) => "ready".to_owned(),
        (_, Status::Busy(word)) => word.clone(),
        (_, Status::Failed(reason)) => format!("failed: {reason}"),
        (_, Status::Deleting) => "deleting".to_owned(),
    }
}
