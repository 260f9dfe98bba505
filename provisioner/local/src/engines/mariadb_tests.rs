use super::*;

fn server(role: Role) -> Server {
    Server {
        name: "primary".into(),
        directory: "/state/with a space/#1".into(),
        socket: "/run/s".into(),
        port: 3306,
        database: "a`b".into(),
        users: vec![
            User { name: "owner".into(), password: "it's \\ so\n".into(), rights: Rights::Owner },
            User { name: "app".into(), password: "x".into(), rights: Rights::Rows },
        ],
        replication_password: "r".into(),
        role,
    }
}

#[test]
fn statements_are_one_line_each_and_quoted() {
    let all = statements(Flavour::Maria, &server(Role::Primary));
    assert!(all.iter().all(|statement| !statement.contains('\n')));
    assert!(all.contains(&r"ALTER USER 'owner'@'%' IDENTIFIED BY 'it''s \\ so\n'".to_owned()), "{all:#?}");
    assert!(all.contains(&"GRANT SELECT, INSERT, UPDATE, DELETE ON `a``b`.* TO 'app'@'%'".to_owned()));
    assert_eq!(all[0], "SET SESSION sql_log_bin=0");
}

#[test]
fn the_role_is_no_reason_for_a_restart() {
    let program =
        Program { server: "/usr/sbin/mariadbd".into(), flavour: Flavour::Maria, version: "10".into(), installer: None };
    let (primary, replica) = (server(Role::Primary), server(Role::Replica { of: 1 }));
    let fingerprints = [&primary, &replica].map(|server| part(&program, server).unwrap().fingerprint());
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert!(configuration(&program, &primary).contains("datadir=\"/state/with a space/#1/data\"\n"));
    let moved = Server { port: 3307, ..primary };
    assert_ne!(part(&program, &moved).unwrap().fingerprint(), fingerprints[0]);
}

#[test]
fn a_missing_one_is_named_with_what_installs_it() {
    let nowhere = Places { path: "/nonexistent".into(), usual: vec![] };
    let error = find(&nowhere, &Choice::Auto).unwrap_err().to_string();
    assert_eq!(
        error,
        "MariaDB (`mariadbd`) is not installed: `apt-get install -y --no-install-recommends mariadb-server-core \
         mariadb-client-core`, or `brew install mariadb`"
    );
    let error = crate::engines::redis::find(&nowhere, None).unwrap_err().to_string();
    assert!(error.ends_with("`apt-get install -y --no-install-recommends redis-tools`, or `brew install redis`"));
    let error = find(&nowhere, &Choice::At("/no/mysqld".into())).unwrap_err().to_string();
    assert_eq!(error, "`/no/mysqld` is not a program");
}
