//! A database of the release before, whose outbox is another table. This release goes on where that one stopped, also
//! while tasks of that release still run.

mod support;

use mysql_async::prelude::Queryable;
use runtime::config::Environment;
use runtime::config::stores::Database;
use runtime::data::{database, schema};
use runtime::systems::sendy::SCHEMA as NOW;
use serde_json::json;
use support::engines::{OWNER, SCHEMA, pause};
use support::sendy::{Sendy, eventually, reservation};
use support::until;

/// The migrations that the release before knows.
const BEFORE: schema::Schema = schema::Schema { name: "sendy", migrations: NOW.migrations.split_at(2).0 };
const LEFT: u32 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_release_before_has_left_is_told_and_nothing_is_lost() {
    let sendy = Sendy::new().await;
    let config = owner(&sendy);
    schema::migrate(&config, &BEFORE).await.unwrap();
    for id in 1..=LEFT {
        leave(&sendy, id, 1, "created").await;
    }
    leave(&sendy, 1, 2, "changed").await;
    let outbox = format!("SELECT COUNT(*) FROM {SCHEMA}.outbox");
    let left = u64::from((LEFT + 1) * 2);
    assert_eq!(sendy.primary.number(&outbox).await, left);
    // The cache has the row as it was before the change that nobody has been told of.
    sendy.redis(&["SET", "reservation:1", "1 {\"id\":1,\"departure\":\"old\"}"]);

    // While a task of that release publishes, the rows in its outbox are its own. Tasks of this release work beside it.
    let mut other = sendy.primary.root().await;
    let lock = database::lock_name(SCHEMA, "relay.publish");
    other.exec_drop("SELECT GET_LOCK(?, 0)", (&lock,)).await.unwrap();
    let [write, read, notify] = sendy.services();
    let created = write.post(&reservation());
    assert_eq!(created.status, 201);
    assert_eq!(notify.notifications(1)[0]["reservationId"], LEFT + 1);
    pause(6000).await;
    assert_eq!(sendy.primary.number(&outbox).await, left);
    // A task of that release may also start. Its schema is there, and its text has not changed.
    schema::migrate(&config, &BEFORE).await.unwrap();
    let database = database::Database::new(&config).unwrap();
    assert!(schema::is_present(&database.primary, &BEFORE).await.unwrap());

    other.disconnect().await.unwrap();
    eventually("the outbox to be taken over", async || sendy.primary.number(&outbox).await == 0).await;
    let items = notify.notifications((LEFT + 2) as usize);
    let mut told: Vec<(u64, u64)> =
        items.iter().filter_map(|item| Some((item["reservationId"].as_u64()?, item["version"].as_u64()?))).collect();
    let of_first: Vec<u64> = told.iter().filter(|(id, _)| *id == 1).map(|(_, version)| *version).collect();
    assert_eq!(of_first, [1, 2], "in their order");
    told.sort_unstable();
    let mut all: Vec<(u64, u64)> = (1..=u64::from(LEFT) + 1).map(|id| (id, 1)).collect();
    all.push((1, 2));
    all.sort_unstable();
    assert_eq!(told, all);
    until("the fence", || (sendy.redis(&["GET", "reservation:1"]).trim() == "!2").then_some(()));
    assert_eq!(read.get("/reservations/1").json()["departure"], "서울");

    // Rows that are written there later are taken over too.
    leave(&sendy, 2, 2, "changed").await;
    let items = notify.notifications((LEFT + 3) as usize);
    assert_eq!((&items[items.len() - 1]["reservationId"], &items[items.len() - 1]["version"]), (&json!(2), &json!(2)));
    let effects = format!("SELECT COUNT(*) FROM {SCHEMA}.effects");
    eventually("nothing to be left", async || sendy.primary.number(&effects).await == 0).await;
    assert_eq!(sendy.primary.number(&outbox).await, 0);
}

/// Commits a change as the release before does.
async fn leave(sendy: &Sendy, id: u32, version: u32, what: &str) {
    let reservation =
        json!({ "departure": "서울", "destination": "부산", "date": "2022-06-07", "user_name": "peachdo" });
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let event = json!({
        "reservationId": id, "event": format!("reservation.{what}"), "version": version, "action": "Reservations: OK",
        "dtm": 1, "reservation": reservation, "traceparent": traceparent,
    });
    sendy
        .primary
        .run(&format!(
            "INSERT INTO {SCHEMA}.reservations (id, departure, destination, date, user_name, version) \
             VALUES ({id}, '서울', '부산', '2022-06-07', 'peachdo', {version}) \
             ON DUPLICATE KEY UPDATE version = {version}"
        ))
        .await;
    sendy
        .primary
        .run(&format!(
            "INSERT INTO {SCHEMA}.outbox (effect, reservation_id, version, event, traceparent) VALUES \
             ('invalidate', {id}, {version}, NULL, '{traceparent}'), \
             ('publish', {id}, {version}, '{event}', '{traceparent}')"
        ))
        .await;
}

fn owner(sendy: &Sendy) -> Database {
    let owner = [("DATABASE_OWNER_USER", OWNER.0), ("DATABASE_OWNER_PASSWORD", OWNER.1)];
    let owner = owner.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let databases = sendy.databases().into_iter().map(|(name, value)| (name.to_owned(), value));
    let environment: Environment = databases.chain(owner).collect();
    let mut problems = Vec::new();
    let config = Database::read(&environment, &mut problems);
    assert!(problems.is_empty(), "{problems:?}");
    config
}
