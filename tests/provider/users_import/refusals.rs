//! What does not come in is told with the reason, and who is there stays as they are.

use serde_json::{Value, json};

use super::Home;

fn lines(users: &[Value]) -> String {
    users.iter().map(|user| format!("{user}\n")).collect()
}

/// Position, what was refused and why.
fn reasons(report: &[Value]) -> Vec<(u64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    report
        .iter()
        .map(|line| {
            let position = line["position"].as_u64().expect("a position");
            (position, text(&line["refused"]), text(&line["reason"]))
        })
        .collect()
}

#[tokio::test]
async fn every_refusal_is_in_the_report_with_its_reason() {
    let home = Home::new().await;
    let hash = "AAAAAAAAAAAAAAAAAAAAAA";
    let users = [
        json!({"subject": "1", "email": "ada@example.org", "identities": [{"provider": "google", "subject": "7"}]}),
        json!({"subject": "2", "email": "ADA@example.org"}),
        json!({"subject": "1", "email": "other@example.org"}),
        json!({"subject": "3", "email": "no address"}),
        json!({"subject": "4", "email": ""}),
        json!({"subject": "ü", "email": "five@example.org"}),
        json!({"subject": "6", "email": "six@example.org", "passwordHash": "a member that is misspelt"}),
        json!({"subject": "7", "email": "seven@example.org", "password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"}),
        json!({"subject": "8", "email": "eight@example.org",
            "password_hash": format!("$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ${hash}")}),
        json!({"subject": "9", "email": "nine@example.org", "profile": {"locale": 1, "nickname": "n"}}),
        json!({"subject": "10", "email": "ten@example.org", "identities": [{"provider": "google", "subject": "7"}]}),
        json!({"subject": "11", "email": "eleven@example.org", "profile": {"nickname": "\u{0}"}, "name": "\u{0}\n"}),
        json!({"subject": "x".repeat(256), "email": "twelve@example.org"}),
    ];
    let file = home.write("users.jsonl", &format!("{}{{\n", lines(&users)));
    let done = home.import(&["--from", "jsonl", "--report", "r", &file]).await;
    let user = |position, reason: &str| (position, "user".to_owned(), reason.to_owned());
    assert_eq!(
        reasons(&home.report("r")),
        [
            user(2, "email_taken"),
            user(3, "subject_taken"),
            user(4, "invalid_email"),
            user(5, "no_email"),
            user(6, "invalid_subject"),
            user(7, "malformed"),
            (8, "password".to_owned(), "hash_unknown".to_owned()),
            (9, "password".to_owned(), "hash_too_dear".to_owned()),
            (10, "claim".to_owned(), "invalid_claim".to_owned()),
            (11, "identity".to_owned(), "identity_taken".to_owned()),
            (12, "claim".to_owned(), "invalid_claim".to_owned()),
            user(13, "invalid_subject"),
            user(14, "malformed"),
        ]
    );
    let report = home.report("r");
    assert_eq!(report[0]["subject"], "2");
    assert!(report.iter().all(|line| line["message"].is_string()));
    assert!(
        !report
            .iter()
            .any(|line| line.to_string().contains("example.org") || line.to_string().contains(hash)),
        "neither addresses nor hashes"
    );
    assert_eq!(
        [&done["read"], &done["imported"], &done["refused"]],
        [&json!(14), &json!(6), &json!(8)]
    );
    assert_eq!(done["passwords_refused"], 2);
    assert_eq!(home.count("users").await, 6);
    assert_eq!(home.user("eleven@example.org").await["name"], "eleven");
}

#[tokio::test]
async fn who_is_there_is_neither_changed_nor_taken_over() {
    let home = Home::new().await;
    let sql = home.database.client().await;
    sql.batch_execute(
        "INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at) VALUES
            ('00000000-0000-4000-8000-000000000001', 'ada@example.org', 'ada@example.org', true, 'Ada', now(), now())",
    )
    .await
    .expect("a user of our own");
    let before = home.everything().await;
    let users = [
        json!({"subject": "1", "email": "Ada@example.org", "email_verified": true, "name": "Eve"}),
        json!({"subject": "00000000-0000-4000-8000-000000000001", "email": "eve@example.org"}),
        json!({"email": "ada@example.org"}),
    ];
    let file = home.write("users.jsonl", &lines(&users));
    let done = home.import(&["--from", "jsonl", "--report", "r", &file]).await;
    assert_eq!([&done["imported"], &done["refused"]], [&json!(0), &json!(3)]);
    let reasons: Vec<_> = reasons(&home.report("r"))
        .into_iter()
        .map(|(_, _, reason)| reason)
        .collect();
    assert_eq!(reasons, ["email_taken", "subject_taken", "email_taken"]);
    assert_eq!(home.everything().await, before);
}

#[tokio::test]
async fn a_dry_run_judges_all_and_writes_nothing() {
    let home = Home::new().await;
    let mut users: Vec<Value> = (0..1_500)
        .map(|number| json!({"subject": format!("s{number}"), "email": format!("u{number}@example.org")}))
        .collect();
    // In another batch than the one whose address it has.
    users.push(json!({"subject": "late", "email": "u1@example.org"}));
    let file = home.write("users.jsonl", &lines(&users));
    let before = home.everything().await;
    let dry = home
        .import(&["--from", "jsonl", "--dry-run", "--report", "dry", &file])
        .await;
    assert_eq!(home.everything().await, before);
    assert_eq!(dry["dry_run"], true);
    let mut wet = home.import(&["--from", "jsonl", "--report", "wet", &file]).await;
    assert_eq!(home.report("dry"), home.report("wet"));
    wet["dry_run"] = json!(true);
    assert_eq!(dry, wet);
    assert_eq!(dry["imported"], 1_500);
    assert_eq!(dry["refused"], 1);
}

#[tokio::test]
async fn a_deleted_user_does_not_come_back_under_the_old_name() {
    let home = Home::new().await;
    let id = "0b5c7f0e-8d4c-4a5e-9f4b-6c1d2e3f4a5b";
    let users = [
        json!({"subject": "auth0|1", "email": "ada@example.org", "identities": [{"provider": "google", "subject": "7"}]}),
        json!({"subject": id, "email": "grace@example.org"}),
    ];
    let file = home.write("users.jsonl", &lines(&users));
    home.import(&["--from", "jsonl", &file]).await;
    for user in ["auth0|1", "grace@example.org"] {
        let deleted = home
            .command(&["users", "delete", user])
            .output()
            .expect("it runs");
        assert!(deleted.status.success());
    }
    assert_eq!(
        [home.count("users").await, home.count("identities").await],
        [0, 0]
    );
    let done = home.import(&["--from", "jsonl", "--report", "r", &file]).await;
    assert_eq!([&done["imported"], &done["refused"]], [&json!(0), &json!(2)]);
    let report = home.report("r");
    assert!(
        report.iter().all(|line| line["reason"] == "subject_retired"),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_a_failure_that_keeps_what_came_before() {
    let home = Home::new().await;
    let missing = home
        .command(&["users", "import", "--from", "jsonl", "missing.jsonl"])
        .output();
    let missing = missing.expect("it runs");
    assert_eq!(missing.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&missing.stderr).unwrap_or_default();
    assert_eq!(
        told["error"],
        "unreadable",
        "{}",
        String::from_utf8_lossy(&missing.stderr)
    );

    let cut = home.write(
        "cut.json",
        r#"{"users":[{"localId":"1","email":"ada@example.org"},{"localId":"2","ema"#,
    );
    let failed = home
        .command(&["users", "import", "--from", "firebase", &cut])
        .output()
        .expect("it runs");
    assert_eq!(failed.status.code(), Some(1));
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(told.contains("after record 1"), "{told}");
    assert_eq!(home.count("users").await, 1);
}
