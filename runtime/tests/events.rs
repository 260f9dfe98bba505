//! The outbox, the relay, the consumer and the inbox, for a system that exists only here. They run on MariaDB, and an
//! emulator that delivers from SNS to SQS.

mod support;

use std::sync::{Arc, Mutex};

use aws_sdk_sqs::types::QueueAttributeName;
use mysql_async::TxOpts;
use mysql_async::prelude::Queryable;
use runtime::background::Background;
use runtime::config::Environment;
use runtime::config::stores;
use runtime::data::database::Database;
use runtime::data::schema::{self, Migration, Schema};
use runtime::events::attributes::{Attribute, Attributes};
use runtime::events::consumer::{self, Consumer, Handler, Verdict};
use runtime::events::envelope::Envelope;
use runtime::events::inbox;
use runtime::events::outbox::{self, Publication, Value};
use runtime::events::publish::Publisher;
use runtime::events::relay::{self, Effect, Pending, Relay};
use runtime::http::ready::{self, Ready};
use runtime::telemetry::trace::Trace;
use support::engines::{OWNER, SCHEMA};
use support::sendy::{Sendy, eventually};

const SHOP: &Schema = &Schema {
    name: "shop",
    migrations: &[
        Migration { version: 1, name: "effects", sql: outbox::TABLE },
        Migration { version: 2, name: "inbox", sql: inbox::TABLE },
    ],
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_arrives_with_its_subject_and_attributes() {
    let sendy = Sendy::new().await;
    let (database, ready, background) = shop(&sendy).await;
    let pending = Arc::new(Pending::default());
    let deliveries = topic_to(&sendy, "deliveries", &sendy.queue).await;
    for (target, topic) in [("orders", sendy.topic.clone()), ("deliveries", deliveries.clone())] {
        let publisher = Effect::Publish(Publisher { client: sendy.sns.clone(), topic });
        let relay = Relay::new(&database, &pending, SCHEMA, target, publisher);
        background.spawn("publish", |this| relay::run(relay, ready.clone(), this));
    }
    let taken = consume(&sendy, &ready, &background, |_, _| Verdict::Done).await;

    // The texts and attributes are those of a shop whose factory is to make more.
    let attributes = Attributes::new([
        ("MessageAttributeItemId", Attribute::number(2)),
        ("MessageAttributeItemName", Attribute::text("부산도너츠")),
    ])
    .unwrap();
    let trace = Trace::begin();
    let publication = |topic, subject, message, title| Publication {
        topic,
        subject: Value::Text(subject),
        version: 1,
        message: Value::Text(message),
        title,
        attributes: &attributes,
        trace: &trace,
    };
    let rows = [
        publication("orders", "item's 2", "생산해주세요! \n'", Some("Item2 재고 부족")).row().unwrap(),
        publication("deliveries", "2", "more", None).row().unwrap(),
    ];
    let mut connection = database.primary.connection().await.unwrap();
    let mut transaction = connection.start_transaction(TxOpts::default()).await.unwrap();
    assert_eq!(outbox::insert(&mut transaction, &rows).await.unwrap(), 1);
    transaction.commit().await.unwrap();
    pending.wake();

    eventually("both messages", async || taken.lock().unwrap().len() == 2).await;
    let taken = taken.lock().unwrap().clone();
    let of = |topic: &str| taken.iter().find(|(envelope, _)| envelope.topic.as_deref() == Some(topic)).unwrap();
    let (order, delivery) = (&of(&sendy.topic).0, &of(&deliveries).0);
    assert_eq!((order.message.as_str(), order.subject.as_deref()), ("생산해주세요! \n'", Some("Item2 재고 부족")));
    assert_eq!((delivery.message.as_str(), delivery.subject.as_deref()), ("more", None));
    for envelope in [order, delivery] {
        assert_eq!(envelope.attributes.get("MessageAttributeItemId"), Some("2"));
        assert_eq!(envelope.attributes.get("MessageAttributeItemName"), Some("부산도너츠"));
        assert!(envelope.attributes.get("traceparent").and_then(Trace::follow).is_some(), "{envelope:?}");
    }
    eventually("the outbox to be empty", async || outbox::depth(&mut *root(&sendy).await).await.unwrap() == 0).await;
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_that_end_at_once_leave_nothing_in_the_outbox() {
    let mut sendy = Sendy::new().await;
    let (database, _, background) = shop(&sendy).await;
    let mut functions = Vec::new();
    for at in 0..10 {
        let database = Arc::clone(&database);
        let publisher = Publisher { client: sendy.sns.clone(), topic: sendy.topic.clone() };
        let relay = Relay::new(&database, &Arc::default(), SCHEMA, "orders", Effect::Publish(publisher));
        functions.push(tokio::spawn(async move {
            add(&database, &format!("{at}")).await;
            relay::once(&relay).await.unwrap();
        }));
    }
    for function in functions {
        function.await.unwrap();
    }
    assert_eq!(outbox::depth(&mut *root(&sendy).await).await.unwrap(), 0);
    assert_eq!(sendy.depth(&sendy.queue).await, 10);

    // While the topic cannot be reached the function fails, and the event waits for the next invocation.
    sendy.aws.kill();
    add(&database, "later").await;
    let publisher = Publisher { client: sendy.sns.clone(), topic: sendy.topic.clone() };
    let relay = Relay::new(&database, &Arc::default(), SCHEMA, "orders", Effect::Publish(publisher));
    assert!(relay::once(&relay).await.is_err());
    assert_eq!(outbox::depth(&mut *root(&sendy).await).await.unwrap(), 1);
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_message_of_a_batch_has_a_verdict_of_its_own() {
    let sendy = Sendy::new().await;
    let (_, ready, background) = shop(&sendy).await;
    let send = async |body: &str| {
        let value = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value("own");
        let call = sendy.sqs.send_message().queue_url(&sendy.queue).message_body(body);
        call.message_attributes("whose", value.build().unwrap()).send().await.unwrap();
    };
    for body in ["well", "poison", "later", "{\"Type\":\"UnsubscribeConfirmation\",\"Message\":\"\"}"] {
        send(body).await;
    }
    let taken = consume(&sendy, &ready, &background, |envelope, times| match envelope.message.as_str() {
        "poison" => Verdict::Poison(anyhow::anyhow!("nothing can be made of it")),
        "later" if times < 3 => Verdict::Retry(1),
        _ => Verdict::Done,
    })
    .await;
    // A message that the consumer itself cannot open ends in the dead-letter queue, like the poison of the handler.
    eventually("the poison to be in the dead-letter queue", async || sendy.depth(&sendy.dead).await == 2).await;
    eventually("the queue to be empty", async || sendy.depth(&sendy.queue).await == 0).await;
    let taken = taken.lock().unwrap().clone();
    let times = |body: &str| taken.iter().filter(|(envelope, _)| envelope.message == body).count();
    assert_eq!((times("well"), times("later"), times("poison")), (1, 3, 5), "{taken:?}");
    for (envelope, _) in taken.iter() {
        assert_eq!((envelope.attributes.get("whose"), envelope.is_wrapped), (Some("own"), false));
    }
    background.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_is_new_once_unless_its_transaction_is_rolled_back() {
    let sendy = Sendy::new().await;
    let (database, _, background) = shop(&sendy).await;
    let mut connection = database.primary.connection().await.unwrap();
    let mut transaction = connection.start_transaction(TxOpts::default()).await.unwrap();
    assert!(inbox::is_new(&mut transaction, "delivery", "order-1").await.unwrap());
    assert!(!inbox::is_new(&mut transaction, "delivery", "order-1").await.unwrap());
    transaction.rollback().await.unwrap();

    // A second transaction with the same event waits for the first, and goes on after it.
    let mut first = connection.start_transaction(TxOpts::default()).await.unwrap();
    assert!(inbox::is_new(&mut first, "delivery", "order-1").await.unwrap());
    let second = {
        let database = Arc::clone(&database);
        tokio::spawn(async move {
            let mut connection = database.primary.connection().await.unwrap();
            let mut second = connection.start_transaction(TxOpts::default()).await.unwrap();
            let is_new = inbox::is_new(&mut second, "delivery", "order-1").await.unwrap();
            second.commit().await.unwrap();
            is_new
        })
    };
    support::engines::pause(300).await;
    assert!(!second.is_finished());
    first.commit().await.unwrap();
    assert!(!second.await.unwrap());

    // Each consumer has its own events, an id is not cut, and ids that look alike are different.
    let mut transaction = connection.start_transaction(TxOpts::default()).await.unwrap();
    assert!(inbox::is_new(&mut transaction, "other", "order-1").await.unwrap());
    for event in ["ORDER-1", "order-1 ", "órder-1"] {
        assert!(inbox::is_new(&mut transaction, "delivery", event).await.unwrap(), "{event:?}");
    }
    assert!(inbox::is_new(&mut transaction, "delivery", &"x".repeat(256)).await.is_err());
    transaction.commit().await.unwrap();

    let count = format!("SELECT COUNT(*) FROM {SCHEMA}.inbox");
    assert_eq!(sendy.primary.number(&count).await, 5);
    sendy
        .primary
        .run(&format!("UPDATE {SCHEMA}.inbox SET created_at = created_at - INTERVAL 15 DAY WHERE consumer = 'other'"))
        .await;
    inbox::sweep(&database.primary, 14).await.unwrap();
    assert_eq!(sendy.primary.number(&count).await, 4);
    background.stop().await;
}

/// The database of a shop, with its schema.
async fn shop(sendy: &Sendy) -> (Arc<Database>, Ready, Background) {
    let owner = [("DATABASE_OWNER_USER", OWNER.0), ("DATABASE_OWNER_PASSWORD", OWNER.1)];
    let owner = owner.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let databases = sendy.databases().into_iter().map(|(name, value)| (name.to_owned(), value));
    let environment: Environment = databases.chain(owner).collect();
    let config = stores::Database::read(&environment, &mut Vec::new());
    schema::migrate(&config, SHOP).await.unwrap();
    let database = Arc::new(Database::new(&config).unwrap());
    let (ready, background) = (Ready::default(), Background::new());
    background.spawn("schema", |this| ready::schema(config, Arc::clone(&database), SHOP, ready.clone(), this));
    (database, ready, background)
}

/// Commits an event.
async fn add(database: &Database, subject: &str) {
    let row = Publication {
        topic: "orders",
        subject: Value::Text(subject),
        version: 1,
        message: Value::Text(subject),
        title: None,
        attributes: &Attributes::default(),
        trace: &Trace::begin(),
    };
    let mut connection = database.primary.connection().await.unwrap();
    let mut transaction = connection.start_transaction(TxOpts::default()).await.unwrap();
    outbox::insert(&mut transaction, &[row.row().unwrap()]).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn root(sendy: &Sendy) -> Box<mysql_async::Conn> {
    let mut connection = sendy.primary.root().await;
    connection.query_drop(format!("USE {SCHEMA}")).await.unwrap();
    Box::new(connection)
}

async fn topic_to(sendy: &Sendy, name: &str, queue: &str) -> String {
    let topic = sendy.sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
    let asked = sendy.sqs.get_queue_attributes().queue_url(queue).attribute_names(QueueAttributeName::QueueArn);
    let arn = asked.send().await.unwrap().attributes.unwrap()[&QueueAttributeName::QueueArn].clone();
    sendy.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.unwrap();
    topic
}

/// The messages that were taken, each with how often it was.
type Taken = Arc<Mutex<Vec<(Envelope, usize)>>>;

/// Takes messages from the queue, and notes them.
async fn consume(
    sendy: &Sendy,
    ready: &Ready,
    background: &Background,
    verdict: fn(&Envelope, usize) -> Verdict,
) -> Taken {
    let taken = Taken::default();
    let noted = Arc::clone(&taken);
    let handle = move |envelopes: Vec<Envelope>| {
        let mut noted = noted.lock().unwrap();
        let mut verdicts = Vec::new();
        for envelope in envelopes {
            let times = 1 + noted.iter().filter(|(other, _)| other.message_id == envelope.message_id).count();
            verdicts.push(verdict(&envelope, times));
            noted.push((envelope, times));
        }
        Box::pin(std::future::ready(verdicts)) as _
    };
    let handler = Handler { handle: Box::new(handle), is_well: Box::new(|| Box::pin(std::future::ready(true))) };
    let consumer = Consumer { client: sendy.sqs.clone(), queue: sendy.queue.clone(), handler };
    background.spawn("consumer", |this| consumer::run(consumer, ready.clone(), this));
    taken
}
