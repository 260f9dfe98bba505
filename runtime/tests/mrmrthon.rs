//! The services of the marathons over real connections, with a real database and real tables: what they answer, to the byte,
//! and to whom.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};
use support::mrmrthon::{KEY, Mrmrthon, Service, claims, forged};
use support::sendy::{Answer, send};
use support::until;

const ORGANIZERS: &str = "\"제한된 접근! 대회 주최자만 접근 가능합니다.\"";
const INDIVIDUALS: &str = "\"제한된 접근! 개인 사용자만 접근 가능합니다.\"";
const NOT_SIGNED_IN: &str = "{\"error\":\"로그인 실패! 아이디와 패스워드를 확인하세요.\"}";
const NOT_CHANGED: &str = "{\"error\":\"아이디와 비밀번호를 확인하세요.\"}";

fn said(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_sign_up_and_in_and_are_changed_and_deleted() {
    let stack = Mrmrthon::new().await;
    let mut user = stack.user(&[]);
    assert_eq!(said(&user.get("/", None)), (200, "host: 127.0.0.1"));
    assert_eq!(said(&user.get("/user", None)), (200, "[]"));

    let welcome = "{\"message\":\"회원가입 완료! 나혜님 환영합니다.\"}";
    assert_eq!(said(&user.sign_up(0, "runner")), (200, welcome));
    assert_eq!(said(&user.sign_up(1, "runner")), (409, "{\"error\":\"이미 사용 중인 아이디입니다.\"}"));
    // Names that differ are different, whatever a collation makes of them.
    for (kind, login) in [(1, "organizer"), (0, "Runner"), (0, "runner "), (0, "rünner"), (0, "runner\u{301}")] {
        assert_eq!(said(&user.sign_up(kind, login)), (200, welcome), "{login:?}");
    }

    // A body of a GET, as the system before had it, and of a POST.
    let body = "{\"login_id\":\"runner\",\"password\":\"pw1\"}";
    for (method, path) in
        [("GET", "/users/login"), ("GET", "/user/login"), ("POST", "/users/login"), ("POST", "/user/login")]
    {
        let answer = user.ask(method, path, None, body);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        let token = message.strip_prefix("로그인 성공! 개인 사용자님 환영합니다. Token: ").unwrap();
        let claims = claims(token);
        let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        assert_eq!(names, ["exp", "iat", "user_id", "user_type"]);
        assert_eq!((answer.status, &claims["user_id"], &claims["user_type"]), (200, &json!(1), &json!(0)));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 24 * 3600);
    }
    let organizer = user.log_in("organizer", "pw1").json()["message"].as_str().unwrap().to_owned();
    assert!(organizer.starts_with("로그인 성공! 주최자님 환영합니다. Token: "), "{organizer}");
    let organizer = organizer.rsplit(' ').next().unwrap();
    let runner = user.log_in("runner", "pw1").json()["message"].as_str().unwrap().to_owned();
    let runner = runner.rsplit(' ').next().unwrap();
    for (login, password) in
        [("runner", "pw2"), ("runner", "PW1"), ("nobody", "pw1"), ("RUNNER", "pw1"), ("' OR 1=1 -- ", "x")]
    {
        assert_eq!(said(&user.log_in(login, password)), (401, NOT_SIGNED_IN), "{login}");
    }

    // The list has no passwords, and a telephone number is whole for who may see it.
    let phones = |token: Option<&str>| -> Vec<String> {
        let users = user.get("/user", token).json();
        users.as_array().unwrap().iter().map(|user| user["phone"].as_str().unwrap().to_owned()).collect()
    };
    let list = user.get("/user?limit=1", None);
    let first =
        "{\"id\":1,\"type\":0,\"login_id\":\"runner\",\"name\":\"나혜\",\"phone\":\"***-****-5678\",\"total_point\":0}";
    assert_eq!(said(&list), (200, format!("[{first}]").as_str()));
    let all = user.get("/user", Some(organizer));
    assert!(!all.body.contains("password") && !all.body.contains("argon2"), "{all:?}");
    assert_eq!(phones(Some(organizer)), ["010-1234-5678"; 6]);
    assert_eq!(phones(Some(runner))[..2], ["010-1234-5678", "***-****-5678"]);
    assert_eq!(user.get("/user?after=5&limit=5", None).json().as_array().unwrap().len(), 1);
    assert_eq!(user.get("/user?after=x", None).status, 400);

    let change = |id: &str, password: &str, more: &str| {
        let body = format!("{{\"login_id\":\"runner\",\"password\":\"{password}\"{more}}}");
        user.ask("PUT", &format!("/user/update/{id}"), None, &body)
    };
    let done = "{\"message\":\"수정이 완료되었습니다!\"}";
    assert_eq!(said(&change("1", "pw1", ",\"name\":\"수연\",\"phone\":\"02-1\"")), (200, done));
    assert_eq!(said(&change("1", "pw1", ",\"phone\":\"\"")), (200, done));
    assert_eq!(said(&change("1", "pw1", "")), (200, done));
    for (id, password) in [("1", "pw2"), ("2", "pw1"), ("999", "pw1"), ("x", "pw1")] {
        assert_eq!(said(&change(id, password, ",\"name\":\"나쁜\"")), (401, NOT_CHANGED), "{id}");
    }
    assert_eq!(change("1", "pw1", ",\"name\":5").status, 400);
    let rows: Vec<(String, String)> = stack.rows("SELECT name, phone FROM runners.users WHERE id = 1").await;
    assert_eq!(rows, [("수연".to_owned(), String::new())]);

    // A user is deleted by the user, or by an organizer, with the points.
    stack.maria.run("INSERT INTO runners.points (user_id, point, marathon_id, event) VALUES (1, 20, 1, 'record:1'), (3, 20, 1, 'record:2')").await;
    let denied = "{\"error\":\"제한된 접근! 본인 또는 대회 주최자만 접근 가능합니다.\"}";
    assert_eq!(said(&user.ask("DELETE", "/user/1", None, "")), (401, denied));
    assert_eq!(said(&user.ask("DELETE", "/user/3", Some(runner), "")), (403, denied));
    assert_eq!(said(&user.ask("DELETE", "/user/x", Some(runner), "")), (403, denied));
    assert_eq!(said(&user.ask("DELETE", "/user/1", Some(runner), "")), (200, "{\"id\":\"1\"}"));
    assert_eq!(said(&user.ask("DELETE", "/user/3", Some(organizer), "")), (200, "{\"id\":\"3\"}"));
    for gone in ["1", "3", "999", "x"] {
        let answer = user.ask("DELETE", &format!("/user/{gone}"), Some(organizer), "");
        assert_eq!(said(&answer), (404, "{\"error\":\"Data not found\"}"), "{gone}");
    }
    assert_eq!(stack.maria.number("SELECT COUNT(*) FROM runners.points").await, 0);
    assert_eq!(said(&user.log_in("runner", "pw1")), (401, NOT_SIGNED_IN));

    // What cannot be read is said, and nothing of it is quoted.
    for (path, body, expected) in [
        ("/user/signup", "", "the body is not a JSON object"),
        ("/user/signup", "[]", "the body is not a JSON object"),
        ("/user/signup", "{\"type\":0,\"login_id\":\"a\",\"name\":\"b\"}", "password is not a text of 1 to 1024 bytes"),
        (
            "/user/signup",
            "{\"type\":7,\"login_id\":\"a\",\"name\":\"b\",\"password\":\"hunter2\"}",
            "type is not 0 (an individual) or 1 (an organizer)",
        ),
        ("/user/login", "{\"login_id\":\"hunter2\"", "the body is not a JSON object"),
        (
            "/user/login",
            &format!("{{\"login_id\":\"a\",\"password\":\"{}\"}}", "x".repeat(1025)),
            "password is longer than 1024 bytes",
        ),
    ] {
        let answer = user.ask("POST", path, None, body);
        assert_eq!(said(&answer), (400, json!({ "error": expected }).to_string().as_str()), "{path} {body:.60}");
    }
    assert_eq!(user.ask("POST", "/user/signup", None, &"x".repeat(1024 * 1024 + 1)).status, 413);

    user.process.terminate();
    assert!(user.process.exit().success());
    user.process.drain();
    for secret in ["pw1", "hunter2", KEY, "argon2id"] {
        assert!(user.process.seen.iter().all(|line| !line.contains(secret)), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_login_costs_what_a_wrong_password_does() {
    let stack = Mrmrthon::new().await;
    let mut user = stack.user(&[]);
    user.member(0, "runner");
    assert_eq!(user.log_in("runner", "pw2").status, 401);
    assert_eq!(user.log_in("nobody", "pw2").status, 401);
    let unknown = "{\"login_id\":\"nobody\",\"password\":\"pw1\",\"name\":\"x\"}";
    assert_eq!(user.ask("PUT", "/user/update/1", None, unknown).status, 401);
    assert_eq!(user.ask("PUT", "/user/update/2", None, &unknown.replace("nobody", "runner")).status, 401);
    // A hash that is none fits no password, and is told without itself.
    stack.maria.run("UPDATE runners.users SET password = 'pw1 in clear'").await;
    assert_eq!(said(&user.log_in("runner", "pw1 in clear")), (401, NOT_SIGNED_IN));
    user.process.line("password.malformed");
    user.process.terminate();
    let metrics = user.process.line("metrics");
    // The signup, the login that was right, and five that were not.
    assert_eq!((&metrics["PasswordHashes"], &metrics["LoginsRefused"]), (&json!(7), &json!(3)), "{metrics}");
    assert!(user.process.seen.iter().all(|line| !line.contains("in clear")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_who_want_one_name_one_has_it_and_who_waits_for_a_hash_is_in_nobodys_way() {
    let stack = Mrmrthon::new().await;
    let service = stack.user(&[]);
    let user = service.door;
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(|| user.sign_up(0, "popular").status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(409)), (1, 49), "{statuses:?}");
    assert_eq!(stack.maria.number("SELECT COUNT(*) FROM runners.users").await, 1);

    // While 200 wait for their turn, the others are answered. Who waits too long is told to come again.
    let ended = AtomicUsize::new(0);
    let (logins, slowest, others) = std::thread::scope(|scope| {
        let login = || {
            let answer = user.log_in("popular", "pw1");
            ended.fetch_add(1, Ordering::Relaxed);
            answer
        };
        let all: Vec<_> = (0..200).map(|_| scope.spawn(login)).collect();
        let (mut slowest, mut others) = (Duration::ZERO, 0);
        while ended.load(Ordering::Relaxed) < 200 {
            let begun = Instant::now();
            assert_eq!(user.get("/", None).status, 200);
            slowest = slowest.max(begun.elapsed());
            others += 1;
        }
        (all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>(), slowest, others)
    });
    for login in &logins {
        match login.status {
            200 => {}
            503 => assert_eq!(login.header("retry-after"), Some("1"), "{login:?}"),
            _ => panic!("{login:?}"),
        }
    }
    assert!(logins.iter().any(|login| login.status == 200));
    // A turn is 2 s at most, and some 100 hashes take as long.
    assert!(others >= 20 && slowest < Duration::from_secs(2), "{others} in between, the slowest {slowest:?}");
    // With one hash at a time many wait in vain, and nobody gets a wrong answer.
    let service = stack.user(&[("PASSWORD_HASHES", "1")]);
    let narrow = service.door;
    let busy = std::thread::scope(|scope| {
        let all: Vec<_> = (0..400).map(|_| scope.spawn(|| narrow.log_in("popular", "pw1"))).collect();
        let all: Vec<Answer> = all.into_iter().map(|one| one.join().unwrap()).collect();
        assert!(all.iter().all(|answer| [200, 503].contains(&answer.status)), "{all:?}");
        all.into_iter().filter(|answer| answer.status == 503).collect::<Vec<_>>()
    });
    if let Some(busy) = busy.first() {
        assert_eq!(busy.json()["message"], "too many passwords are being hashed");
    }
    until("the service to be quiet", || (narrow.log_in("popular", "pw1").status == 200).then_some(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marathons_players_and_records_are_kept_by_whom_they_belong_to() {
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let service = stack.main(&[]);
    let main = service.door;
    assert_eq!(said(&main.get("/", None)), (200, "host: 127.0.0.1"));
    let (runner_id, runner) = user.member(0, "runner");
    let (_, organizer) = user.member(1, "organizer");
    let (other_id, other) = user.member(0, "other");
    let (runner, organizer, other) = (runner.as_str(), organizer.as_str(), other.as_str());
    let ask = |method: &str, path: &str, token: &str, body: &str| {
        let answer = main.ask(method, path, Some(token), body);
        (answer.status, answer.body)
    };
    let ok = |body: &str| (200, body.to_owned());
    let missing = (404, "{\"err\":\"there is nothing with this id\"}".to_owned());
    let exists = (409, "{\"err\":\"the id exists already\"}".to_owned());

    // Marathons.
    assert_eq!(ask("GET", "/marathon", organizer, ""), ok("{\"Items\":[],\"Count\":0,\"ScannedCount\":0}"));
    let half = "{\"id\":1,\"title\":\"서울하프\",\"point\":20}";
    assert_eq!(ask("POST", "/marathon/add", organizer, half), ok("{}"));
    assert_eq!(ask("POST", "/marathon/add", organizer, "{\"id\":1,\"title\":\"x\",\"point\":99}"), exists);
    let list = json!({ "Items": [{ "id": 1, "title": "서울하프", "point": 20 }], "Count": 1, "ScannedCount": 1 });
    assert_eq!(main.get("/marathon", Some(organizer)).json(), list);
    let (status, body) = ask("PUT", "/marathon/update/1", organizer, "{\"title\":\"서울풀\",\"point\":99}");
    let changed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, changed), (200, json!({ "Attributes": { "id": 1, "title": "서울풀", "point": 20 } })));
    assert_eq!(ask("PUT", "/marathon/update/2", organizer, "{\"title\":\"x\"}"), missing);
    assert_eq!(ask("DELETE", "/marathon/2", organizer, ""), missing);
    assert_eq!(main.get("/marathon", Some(organizer)).json()["Count"], 1, "nothing is made by changing it");
    for (method, path, body) in [
        ("GET", "/marathon", ""),
        ("POST", "/marathon/add", half),
        ("PUT", "/marathon/update/1", "{\"title\":\"x\"}"),
        ("DELETE", "/marathon/1", ""),
        ("GET", "/player", ""),
        ("POST", "/official_record", "{\"id\":1,\"user_id\":1,\"marathon_id\":1}"),
        ("PUT", "/official_record/1", "{\"record\":1}"),
        ("DELETE", "/official_record/1", ""),
    ] {
        assert_eq!(ask(method, path, runner, body), (403, ORGANIZERS.to_owned()), "{method} {path}");
        assert_eq!(said(&main.ask(method, path, None, body)), (401, ORGANIZERS), "{method} {path}");
    }
    assert_eq!(ask("DELETE", "/marathon/1", organizer, ""), ok("{}"));
    assert_eq!(ask("POST", "/marathon/add", organizer, half), ok("{}"));

    // Players.
    let player = format!("{{\"id\":1,\"user_id\":{runner_id},\"marathon_id\":1}}");
    assert_eq!(ask("POST", "/player/add", runner, &player), ok("{}"));
    assert_eq!(ask("POST", "/player/add", runner, &player), exists);
    assert_eq!(ask("POST", "/player/add", other, "{\"id\":2,\"marathon_id\":1}"), ok("{}"));
    let borrowed = (403, INDIVIDUALS.to_owned());
    assert_eq!(ask("POST", "/player/add", other, &player.replace("\"id\":1", "\"id\":3")), borrowed);
    for owner in ["\"1\"", "1.5", "[1]", "-1"] {
        let body = format!("{{\"id\":3,\"user_id\":{owner},\"marathon_id\":1}}");
        assert_eq!(ask("POST", "/player/add", runner, &body), borrowed, "{owner}");
    }
    let one = json!({ "Item": { "id": 1, "user_id": runner_id, "marathon_id": 1 } });
    assert_eq!(main.get("/player/1", None).json(), one);
    assert_eq!(main.get("/player/2", None).json()["Item"]["user_id"], other_id, "it has its owner");
    assert_eq!(said(&main.get("/player/9", None)), (404, missing.1.as_str()));
    assert_eq!(main.get("/player", Some(organizer)).json()["Count"], 2);
    assert_eq!(ask("DELETE", "/player/1", other, ""), borrowed);
    assert_eq!(ask("DELETE", "/player/1", organizer, ""), borrowed);
    assert_eq!(said(&main.ask("DELETE", "/player/1", None, "")), (401, INDIVIDUALS));
    assert_eq!(ask("DELETE", "/player/1", runner, ""), ok("{}"));
    assert_eq!(ask("DELETE", "/player/1", runner, ""), missing);

    // Records of one's own.
    let own = "{\"id\":1,\"record\":3.250,\"marathon\":\"한강\",\"big\":12345678901234567890123456789012345678}";
    assert_eq!(ask("POST", "/non_official_record/add", runner, own), ok("{}"));
    assert_eq!(ask("POST", "/non_official_record/add", other, own), exists);
    assert_eq!(ask("POST", "/non_official_record/add", organizer, own), borrowed);
    let list = main.get("/non_official_record", None);
    assert!(list.body.contains("\"big\":12345678901234567890123456789012345678"), "{list:?}");
    assert!(
        list.body.contains("\"record\":3.25,") && list.body.contains(&format!("\"user_id\":{runner_id}")),
        "{list:?}"
    );
    let (status, body) = ask("PUT", "/non_official_record/1", runner, "{\"record\":\"2.50\",\"user_id\":7}");
    let changed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &changed["Attributes"]["record"]), (200, &json!(2.5)));
    assert_eq!(changed["Attributes"]["user_id"], runner_id);
    for (method, path, body) in
        [("PUT", "/non_official_record/1", "{\"record\":1}"), ("DELETE", "/non_official_record/1", "")]
    {
        assert_eq!(ask(method, path, other, body), borrowed, "{method}");
        assert_eq!(ask(method, path, organizer, body), borrowed, "{method}");
        assert_eq!(said(&main.ask(method, path, None, body)), (401, INDIVIDUALS), "{method}");
        assert_eq!(ask(method, "/non_official_record/9", runner, body), missing, "{method}");
    }
    assert_eq!(ask("DELETE", "/non_official_record/1", runner, ""), ok("{}"));

    // Official records.
    let record = format!("{{\"id\":1,\"user_id\":{runner_id},\"marathon_id\":1,\"record\":3.25}}");
    let recorded = format!("\"user_id : {runner_id}, marathon_id : 1\"");
    assert_eq!(ask("POST", "/official_record", organizer, &record), ok(&recorded));
    assert_eq!(ask("POST", "/official_record", organizer, &record), exists);
    let (status, body) = ask("PUT", "/official_record/1", organizer, "{\"record\":1e0}");
    assert_eq!((status, body.contains("\"record\":1,")), (200, true), "{body}");
    assert_eq!(ask("PUT", "/official_record/9", organizer, "{\"record\":1}"), missing);
    assert_eq!(main.get("/official_record", None).json()["Items"][0]["marathon_id"], 1);
    let no = |what: &str| (404, format!("{{\"err\":\"there is no {what} with this id\"}}"));
    let of = |user: u64, marathon: u64| format!("{{\"id\":2,\"user_id\":{user},\"marathon_id\":{marathon}}}");
    assert_eq!(ask("POST", "/official_record", organizer, &of(999, 1)), no("user"));
    assert_eq!(ask("POST", "/official_record", organizer, &of(runner_id, 9)), no("marathon"));
    assert_eq!(ask("POST", "/marathon/add", organizer, "{\"id\":2,\"title\":\"무료\"}"), ok("{}"));
    assert_eq!(ask("POST", "/official_record", organizer, &of(runner_id, 2)).0, 400);
    assert_eq!(ask("DELETE", "/official_record/1", organizer, ""), ok("{}"));
    assert_eq!(ask("DELETE", "/official_record/1", organizer, ""), missing);

    // What cannot be read.
    for (path, body, expected) in [
        ("/marathon/add", "", "the body is not a JSON object"),
        ("/marathon/add", "{\"title\":\"x\"}", "id is not a whole number up to 9007199254740991"),
        ("/marathon/add", "{\"id\":\"1\"}", "id is not a whole number up to 9007199254740991"),
        ("/marathon/add", "{\"id\":9007199254740992}", "id is not a whole number up to 9007199254740991"),
        ("/marathon/add", "{\"id\":5,\"point\":\"many\"}", "point is not a whole number up to 1000000"),
        ("/marathon/add", "{\"id\":5,\"point\":1.5}", "point is not a whole number up to 1000000"),
        ("/marathon/add", "{\"id\":5,\"x\":1e126}", "a number is out of the range 1E-130 to 9.9E+125"),
        ("/official_record", "{\"id\":5,\"user_id\":1}", "marathon_id is not a whole number up to 9007199254740991"),
    ] {
        let told = json!({ "err": expected }).to_string();
        assert_eq!(ask("POST", path, organizer, body), (400, told), "{path} {body}");
    }
    let large = format!("{{\"id\":5,\"x\":\"{}\"}}", "x".repeat(400 * 1024));
    assert_eq!(ask("POST", "/marathon/add", organizer, &large).0, 400);
    assert_eq!(ask("PUT", "/marathon/update/1", organizer, "{\"title\":5}").0, 400);
    assert_eq!(ask("PUT", "/official_record/1", organizer, "{\"record\":\"fast\"}").0, 400);
    assert_eq!(ask("DELETE", "/marathon/x", organizer, "").0, 400);
    assert_eq!(main.get("/nowhere", None).status, 404);

    // Of many who put one id at the same time, one does it.
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let put = || ask("POST", "/marathon/add", organizer, "{\"id\":77,\"title\":\"x\",\"point\":1}").0;
        let all: Vec<_> = (0..20).map(|_| scope.spawn(put)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 19, "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_good_if_it_is_ours_and_has_not_expired() {
    const NEW: &str = "the-next-key-of-the-tokens-is-as-long-as-that";
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let main = stack.main(&[]);
    let (id, organizer) = user.member(1, "organizer");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = |exp: u64| json!({ "user_id": id, "user_type": 1, "iat": now - 10, "exp": exp });
    let status = |service: &Service, token: &str| service.get("/marathon", Some(token)).status;
    assert_eq!(status(&main, &organizer), 200);
    assert_eq!(status(&main, &forged(KEY, &header, &claims(now + 60))), 200);
    let unsigned = forged(KEY, &json!({ "alg": "none", "typ": "JWT" }), &claims(now + 60));
    for bad in [
        forged(KEY, &header, &claims(now - 1)),
        forged("test1234", &header, &claims(now + 60)),
        forged("", &header, &claims(now + 60)),
        forged(KEY, &json!({ "alg": "HS512", "typ": "JWT" }), &claims(now + 60)),
        forged(KEY, &header, &json!({ "user_id": id, "user_type": 1 })),
        format!("{}.", unsigned.rsplit_once('.').unwrap().0),
        unsigned,
        organizer[..organizer.len() - 1].to_owned(),
        "x".to_owned(),
        "..".to_owned(),
    ] {
        assert_eq!(status(&main, &bad), 401, "{bad}");
    }
    // The second word of the header counts, whatever the first is.
    let shown = |value: &str| send(main.door.0, "GET", "/marathon", &[("authorization", value)], "").status;
    assert_eq!([shown(&format!("bearer {organizer}")), shown(&organizer)], [200, 401]);

    // After a new key is there, the tokens of the one before are good, and new ones are signed with the new one.
    let keys = [("TOKEN_KEY", NEW), ("TOKEN_KEY_PREVIOUS", KEY)];
    let (user, renewed) = (stack.user(&keys), stack.main(&keys));
    let (_, fresh) = user.member(1, "newcomer");
    assert_eq!([status(&renewed, &organizer), status(&renewed, &fresh), status(&main, &fresh)], [200, 200, 401]);
    let alone = stack.main(&[("TOKEN_KEY", NEW)]);
    assert_eq!([status(&alone, &organizer), status(&alone, &fresh)], [401, 200]);
    // A kind of user that there is not may do nothing.
    let odd = forged(KEY, &header, &json!({ "user_id": id, "user_type": 2, "iat": now, "exp": now + 60 }));
    assert_eq!(said(&main.get("/marathon", Some(&odd))), (403, ORGANIZERS));
    assert_eq!(said(&main.ask("POST", "/player/add", Some(&odd), "{\"id\":1}")), (403, INDIVIDUALS));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statuses_of_the_system_before_come_with_the_same_refusals() {
    let stack = Mrmrthon::new().await;
    let original = [("COMPAT_STATUS", "original")];
    let (user, main) = (stack.user(&original), stack.main(&original));
    let (id, runner) = user.member(0, "runner");
    let (_, other) = user.member(0, "other");
    assert_eq!(said(&user.log_in("runner", "pw2")), (500, NOT_SIGNED_IN));
    let wrong = "{\"login_id\":\"runner\",\"password\":\"x\",\"name\":\"y\",\"phone\":\"z\"}";
    assert_eq!(said(&user.ask("PUT", &format!("/user/update/{id}"), None, wrong)), (500, NOT_CHANGED));
    assert_eq!(user.ask("DELETE", &format!("/user/{id}"), None, "").status, 401);
    assert_eq!(user.ask("DELETE", &format!("/user/{id}"), Some(&other), "").status, 403);
    assert_eq!(user.sign_up(0, "runner").status, 409);
    assert_eq!(said(&main.get("/marathon", None)), (200, ORGANIZERS));
    assert_eq!(said(&main.ask("POST", "/marathon/add", Some(&runner), "{\"id\":1}")), (200, ORGANIZERS));
    assert_eq!(said(&main.ask("POST", "/player/add", None, "{\"id\":1}")), (200, INDIVIDUALS));
    assert_eq!(said(&main.ask("POST", "/player/add", Some(&runner), "{\"id\":1}")), (200, "{}"));
    assert_eq!(said(&main.ask("DELETE", "/player/1", Some(&other), "")), (200, INDIVIDUALS));
    assert_eq!(main.get("/player/1", None).json()["Item"]["user_id"], id);
    assert_eq!(said(&main.ask("DELETE", "/player/1", Some(&runner), "")), (200, "{}"));
    assert_eq!(said(&main.ask("DELETE", "/player/1", Some(&runner), "")), (200, "{}"));
    assert_eq!(said(&main.get("/player/1", None)), (200, "{}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ranking_goes_on_where_it_ended_also_among_equals() {
    let stack = Mrmrthon::new().await;
    let user = stack.user(&[]);
    let main = stack.main(&[]);
    // Seven kinds of totals, so that most pages end among equals.
    stack
        .maria
        .run(
            "INSERT INTO runners.users (type, login_id, password, name, phone, total_point) \
             SELECT 0, CONCAT('u', seq), 'x', CONCAT('이름', seq), '', seq MOD 7 * 10 FROM runners.seq_1_to_1234",
        )
        .await;
    let names = |answer: &Answer| -> Vec<String> {
        answer.json().as_array().unwrap().iter().map(|row| row["login_id"].as_str().unwrap().to_owned()).collect()
    };
    let next = |answer: &Answer| {
        let link = answer.header("link")?;
        Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
    };
    let expected: Vec<String> = stack.rows("SELECT login_id FROM runners.users ORDER BY total_point DESC, id").await;
    let first = main.get("/point/total_point", None);
    // It reads what it shows, and sorts nothing.
    let read = stack.rows_read(|| drop(main.get("/point/total_point", None))).await;
    assert!((100..=110).contains(&read), "{read} rows");
    assert_eq!((first.status, names(&first)), (200, expected[..100].to_vec()));
    assert!(
        first.body.starts_with("[{\"login_id\":\"u6\",\"name\":\"이름6\",\"total_point\":60},"),
        "{:.100}",
        first.body
    );
    for limit in [1_u64, 7, 100, 500, 1000] {
        let mut all = Vec::new();
        let mut path = Some(format!("/point/total_point?limit={limit}"));
        while let Some(at) = path.take().filter(|_| all.len() < expected.len() && all.len() < 60 * limit as usize) {
            let page = main.get(&at, None);
            all.extend(names(&page));
            path = next(&page);
        }
        assert_eq!(all, expected[..all.len()], "{limit}");
        assert!(all.len() == expected.len() || all.len() >= 60 * limit as usize, "{limit}: {}", all.len());
    }
    assert_eq!(names(&main.get("/point/total_point?limit=5000", None)).len(), 1000);
    for wrong in ["limit=0", "limit=x", "limit=-1", "after=5", "after=x:1", "after=5:", "after="] {
        assert_eq!(main.get(&format!("/point/total_point?{wrong}"), None).status, 400, "{wrong}");
    }
    let total = "[{\"login_id\":\"u6\",\"name\":\"이름6\",\"total_point\":60}]";
    assert_eq!(said(&main.get("/point/total_point/6", None)), (200, total));
    assert_eq!(said(&main.get("/point/total_point/99999", None)), (200, "[]"));

    stack.maria.run("INSERT INTO runners.points (user_id, point, marathon_id, event) VALUES (6, 20, 1, 'a'), (7, 10, 2, 'b'), (6, 42, 3, 'c')").await;
    let of_6 = "{\"user_id\":6,\"point\":20,\"marathon_id\":1},{\"user_id\":6,\"point\":42,\"marathon_id\":3}";
    assert_eq!(said(&main.get("/point/6", None)), (200, format!("[{of_6}]").as_str()));
    assert_eq!(said(&main.get("/point/8", None)), (200, "[]"));
    assert_eq!(main.get("/point/x", None).status, 400);
    assert_eq!(main.get("/point", None).json().as_array().unwrap().len(), 3);
    let page = main.get("/point?limit=2", None);
    assert_eq!(page.header("link"), Some("</point?limit=2&after=2>; rel=\"next\""));
    assert_eq!(main.get("/point?limit=2&after=2", None).body, "[{\"user_id\":6,\"point\":42,\"marathon_id\":3}]");
    drop(user);
}
