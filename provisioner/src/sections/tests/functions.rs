//! Tests of the problems that are told about functions, and about secrets and services that they use.

use super::told;
use crate::sections::load::load;

#[test]
fn a_secret_has_a_variable_of_its_own() {
    let with = |secret: &str| {
        told(&format!(
            "stack: s\nsecrets: {{{secret}: {{}}}}\ndatabases: {{orders: {{}}}}\nservices:\n  \
             api: {{image: a/b, port: 8080, uses: [orders, {secret}]}}\n"
        ))
    };
    assert_eq!(with("admin-key"), "");
    insta::assert_snapshot!(["database-host", "port", "app"].map(with).join("\n"), @r"
    5:48: the secret `database-host` would be the variable `DATABASE_HOST`, which has another meaning
      hint: take another name for the secret
    5:48: the secret `port` would be the variable `PORT`, which has another meaning
      hint: take another name for the secret
    2:16: `app` is the name of a password of provision's own on a laptop
      hint: for example `app-key`
    ");
    let unknown = told("stack: s\nsecrets: {admin-key: {}}\nservices: {api: {image: a/b, uses: [admin-kay]}}\n");
    assert!(unknown.contains("did you mean `admin-key`?"), "{unknown}");
}

#[test]
fn mistakes_in_functions_are_told() {
    let text = "stack: s
topics: {news: {}, order: {fifo: true}}
queues: {work: {visibility_timeout: 5s}, both: {}}
secrets: {admin-key: {}}
databases: {item: {}, log: {}}
services: {reader: {role: hello, uses: [both]}}
api: {cors: {origins: [shop.example.com]}}
functions:
  shop: {role: shop, owns: [item], uses: [item, news, admin-key], http: {paths: ['/item*', '/a/*/b'], methods: [get]}}
  other: {role: shop, owns: [item], uses: [news], http: {}}
  more: {role: factory, uses: [log, news], http: {}}
  order: {role: order, uses: [shop, delivery], on: {queue: work, batch: 20}, timeout: 16m, concurrency: 1}
  delivery: {role: delivery, uses: [item], on: {queue: both, topic: news}}
  reader: {role: hello, on: {every: 90s}}
  late: {role: shop-outbox, uses: [item, news], on: {every: 1m, batch: 3}, env: {AWS_REGION: x, a: b}}
  item-migrate: {role: shp, http: {}}
  idle: {role: delivery, uses: [item, nothing]}
";
    insta::assert_snapshot!(told(text), @r"
    3:37: `work` hides a message for 5 s, less than the 960 s that `order` may take for it
      hint: leave `visibility_timeout` out: then it is six times the timeout
    6:20: `reader` is also the name of one of the functions
      hint: `uses` needs different names
    7:24: `shop.example.com` is not a site
      hint: http:// or https:// and a host, nothing behind it; or `*`
    9:29: `item` is owned by `other` already
      hint: one owner migrates a schema
    9:82: `item*` in `/item*` is a pattern, which an HTTP API does not have
      hint: exact, as in `/log`; `{name}` for one segment; a last `/*` for everything below
    9:92: `*` in `/a/*/b` is a pattern, which an HTTP API does not have
      hint: exact, as in `/log`; `{name}` for one segment; a last `/*` for everything below
    9:113: `get` is not a method of a route
      hint: one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT
    10:17: the role `shop` needs `ADMIN_KEY`
      hint: use a secret `admin-key`
    10:57: `other` and `more` both take `$default`
      hint: say other `paths` or `methods`
    11:50: `more` and `item-migrate` both take `$default`
      hint: say other `paths` or `methods`
    12:10: `order` is also the name of one of the topics
      hint: `uses` needs different names
    12:17: the role `order` needs `FACTORY_URL`
      hint: use the function `factory`
    12:37: `delivery` has no `http`, so it has no address
      hint: give `delivery` an `http`, or leave it out
    12:73: a batch of 20 messages needs a `window` of at least 1s
    12:87: a timeout is 1s to 15m
    12:105: a queue has at least 2 events at a time
      hint: 2 to 1000, or none
    13:20: the role `delivery` does not take messages of a topic
    13:48: `on` of `delivery` has 2 sources
      hint: one of `queue`, `table`, `topic` and `every`
    13:56: the service `reader` uses `both` too: each message would come to one of the two
      hint: one queue for each, from one topic
    14:18: the role `hello` is a service, and no function can have it
    14:37: `every` is 90s, and has to be whole minutes, 1m to 24h
    15:72: `batch` is for a queue or a table
    15:94: `AWS_REGION` is a variable that Lambda sets itself
    15:100: Lambda takes no variable `a`: a letter, then letters, digits and `_`
    16:17: `item-migrate` is the name of a part that provision makes itself
    16:24: the runtime has no role `shp`
      hint: did you mean `shop`?
    17:9: `idle` gets no events: it has neither `http` nor `on`
      hint: `http: {}` is every request
    17:39: `nothing` is not in this stack
    ");
    let right = "stack: s
topics: {news: {}}
queues: {work: {from: [news]}}
databases: {item: {}}
functions: {delivery: {role: delivery, uses: [item], on: {queue: work, batch: 100, window: 20s}}}
";
    assert_eq!(told(right), "");
}

/// A service is called through the load balancer, under a name that a certificate is for.
#[test]
fn the_address_of_a_service_is_one_that_the_certificate_is_for() {
    let text = "stack: s
region: eu-west-1
network: {certificate: 'arn:aws:acm:eu-west-1:123456789012:certificate/c'}
databases: {item: {}}
topics: {news: {}}
queues: {work: {}}
secrets: {admin-key: {}}
services:
  api: {role: hello, http: {}, uses: [shop]}
  quiet: {role: hello, uses: [api, quiet]}
functions:
  shop: {role: shop, owns: [item], uses: [item, news, admin-key], http: {}}
  order: {role: order, uses: [api, factory], on: {queue: work}}
  factory: {role: factory, uses: [item, news], http: {paths: [/log]}}
";
    insta::assert_snapshot!(told(text), @r"
    10:31: `api` is reached by https, under a name that the certificate is for
      hint: say the name: `network: {domain: api.example.com}`, and point it at the load balancer
    10:36: `quiet` has no `http`, so it has no address
      hint: give `quiet` an `http`, or leave it out
    13:31: `api` is reached by https, under a name that the certificate is for
      hint: say the name: `network: {domain: api.example.com}`, and point it at the load balancer
    ");
    let named = text.replace("network: {", "network: {domain: api.example.com, ").replace(", quiet]", "]");
    assert_eq!(told(&named), "");
    insta::assert_snapshot!(told("stack: s\nnetwork: {domain: api.example.com}\n"), @r"
    2:19: `domain` is a name in a certificate, and there is none
      hint: give `certificate`, or leave `domain` out
    ");
    assert!(told("stack: s\nnetwork: {domain: 'http://x'}\n").contains("`network.domain` is \"http://x\""));
}

/// The log forwarder of functions alone is inside the VPC in prod.
#[test]
fn a_forwarder_inside_the_vpc_needs_a_way_out() {
    let text = "stack: s
environments: {prod: {}}
search: {logs: {}}
queues: {work: {}}
databases: {item: {}}
functions: {delivery: {role: delivery, uses: [item], on: {queue: work}}}
logs: {to: logs, ship: {delivery: ''}}
";
    let told = |text: &str| match load(text, "prod") {
        Ok(_) => String::new(),
        Err(problems) => problems.iter().map(|problem| problem.what.clone()).collect::<Vec<_>>().join("\n"),
    };
    assert!(told(text).contains("the log forwarder is inside the VPC"), "{}", told(text));
    assert_eq!(told(&text.replace("queues:", "network: {nat: one}\nqueues:")), "");
    let owners = text.replace("uses: [item]", "owns: [item]").replace("role: delivery", "role: order");
    assert!(told(&owners).contains("the role `order` has no schema to migrate"), "{}", told(&owners));
}

/// A function inside the VPC reaches what is outside by NAT, or not at all. Lambda refuses too many variables with all
/// their values.
#[test]
fn a_function_inside_the_vpc_needs_a_way_out() {
    let text = "stack: s
databases: {item: {}}
topics: {news: {}}
queues: {work: {}}
functions:
  delivery: {role: delivery, uses: [item, other], on: {queue: work}}
  other: {role: factory, uses: [item, news], http: {}, env: {WORD: 'x'}}
";
    insta::assert_snapshot!(told(text), @r"
    6:43: `delivery` is inside the VPC, because it uses a database or a cache, and `other` is outside
      hint: `network: {nat: one}` makes a way out, which costs by the hour
    ");
    assert_eq!(told(&text.replace("stack: s\n", "stack: s\nnetwork: {nat: one}\n")), "");
    let long = text.replace(", other]", "]").replace("'x'", &"x".repeat(3300));
    let told = told(&long);
    assert!(told.starts_with("7:61: the variables of `other` may have "), "{told}");
}
