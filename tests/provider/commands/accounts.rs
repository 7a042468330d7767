//! `users` and `sessions`.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use signet::clock::{Clock, SystemClock};
use uuid::Uuid;

use super::binary::{Bench, Run, redacted};

const PASSWORD: &str = "nine unlikely staples for Ada";

fn create(bench: &Bench, email: &str) -> Run {
    bench.run_with_input(
        &[
            "--format",
            "json",
            "users",
            "create",
            "--email",
            email,
            "--name",
            "Ada",
            "--email-verified",
            "--password-stdin",
        ],
        &format!("{PASSWORD}\r\n"),
    )
}

/// Whether `password` is what the stored hash was made of.
async fn opens(bench: &Bench, email: &str, password: &str) -> bool {
    use signet::domain::password::{Password, PasswordHash};
    use signet::password::{HashParams, Hasher, HasherSettings, Verification};
    let hasher = Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: 19456,
            iterations: 2,
            parallelism: 1,
        },
        threads: 1,
        queue_timeout: std::time::Duration::from_secs(60),
        queue_length: 1,
    })
    .expect("a hasher");
    let row = bench
        .database()
        .client()
        .await
        .query_one("SELECT password_hash FROM users WHERE email = $1", &[&email])
        .await
        .expect("a user");
    let hash = PasswordHash::from_stored(row.get::<_, String>(0));
    let verified = hasher.verify(&Password::presented(password), Some(&hash)).await;
    verified.expect("time enough") == Verification::Right { outdated: false }
}

async fn epoch(bench: &Bench, id: &Value) -> i64 {
    let id: Uuid = id.as_str().expect("an id").parse().expect("a UUID");
    let sql = bench.database().client().await;
    let row = sql
        .query_one("SELECT epoch FROM users WHERE id = $1", &[&id])
        .await;
    row.expect("a user").get(0)
}

#[tokio::test]
async fn a_user_is_made_found_by_address_and_id_locked_out_and_deleted() {
    let bench = Bench::new().await;
    let made = create(&bench, "Ada@example.org").json();
    insta::assert_snapshot!(redacted(made.clone()), @r#"
    {
      "id": "[uuid]",
      "subject": "[uuid]",
      "email": "Ada@example.org",
      "name": "Ada",
      "email_verified": true,
      "status": "active",
      "created_at": "[time]",
      "last_login_at": null,
      "disabled_at": null
    }
    "#);
    assert!(
        opens(&bench, "Ada@example.org", PASSWORD).await,
        "one line ending is dropped"
    );
    let id = made["id"].as_str().expect("an id");
    for name in [id, "Ada@example.org", "ADA@EXAMPLE.ORG"] {
        assert_eq!(bench.json(&["users", "show", name]).json(), made, "{name}");
    }
    assert_eq!(bench.json(&["users", "list"]).json(), json!([made]));

    let failure = create(&bench, "ada@EXAMPLE.org").failure(1);
    assert_eq!(failure["error"], "already_exists");
    assert_eq!(failure["message"], "user ada@EXAMPLE.org exists already");

    let disabled = bench.json(&["users", "disable", id]).json();
    assert_eq!(disabled["status"], "disabled");
    assert!(disabled["disabled_at"].is_string());
    assert_eq!(epoch(&bench, &made["id"]).await, 1, "what was issued is dead");
    let enabled = bench.json(&["users", "enable", "ada@example.org"]).json();
    assert_eq!(enabled, made);
    assert_eq!(epoch(&bench, &made["id"]).await, 1, "and stays so");

    let deleted = bench.json(&["users", "delete", "ada@example.org"]).json();
    assert_eq!(deleted, json!({"id": id, "deleted": true}));
    for verb in ["show", "disable", "enable", "delete"] {
        let failure = bench.json(&["users", verb, id]).failure(1);
        assert_eq!(failure["error"], "not_found", "{verb}");
    }
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_ends_what_that_opened() {
    let bench = Bench::new().await;
    let made = create(&bench, "ada@example.org").json();
    let set = |password: &str| {
        bench.run_with_input(
            &[
                "--format",
                "json",
                "users",
                "set-password",
                "ada@example.org",
                "--password-stdin",
            ],
            password,
        )
    };
    for (weak, code) in [
        ("short", "invalid_password"),
        ("password1", "password_too_weak"),
        ("ada@example.org", "password_too_weak"),
    ] {
        let failure = set(weak).failure(1);
        assert_eq!(failure["error"], code, "{weak}");
        assert!(!failure.to_string().contains(weak), "the password is not told");
    }
    assert_eq!(epoch(&bench, &made["id"]).await, 0);
    set("another nine staples\nand a second line").json();
    assert_eq!(epoch(&bench, &made["id"]).await, 1);
    assert!(
        opens(
            &bench,
            "ada@example.org",
            "another nine staples\nand a second line"
        )
        .await
    );
    assert!(!opens(&bench, "ada@example.org", PASSWORD).await);
}

#[tokio::test]
async fn what_cannot_be_a_user_is_refused() {
    let bench = Bench::new().await;
    let create = |email: &str, name: &str, profile: &str| {
        let file = bench.write("profile.json", profile);
        let file = file.to_str().expect("a path");
        bench
            .run_with_input(
                &[
                    "--format",
                    "json",
                    "users",
                    "create",
                    "--email",
                    email,
                    "--name",
                    name,
                    "--password-stdin",
                    "--profile",
                    file,
                ],
                PASSWORD,
            )
            .failure(1)
    };
    assert_eq!(create("nobody", "N", "{}")["error"], "invalid_email");
    assert_eq!(
        create("ada@example.org", "\u{1b}[31m", "{}")["error"],
        "invalid_name"
    );
    assert_eq!(
        create("ada@example.org", "N", "{\"sub\": \"x\"}")["error"],
        "invalid_profile"
    );
    assert_eq!(create("ada@example.org", "N", "[]")["error"], "invalid_profile");
    assert_eq!(create("ada@example.org", "N", "{")["error"], "invalid_profile");
    assert_eq!(bench.json(&["users", "list"]).json(), json!([]));
}

/// A session of `user` that began `age` ago, with an offline family of `client` and a code; the ids of session
/// and family.
async fn session(bench: &Bench, user: &Value, age: TimeDelta) -> (Uuid, Uuid) {
    let user: Uuid = user.as_str().expect("an id").parse().expect("a UUID");
    let now = SystemClock.now();
    let began: DateTime<Utc> = now - age;
    let ends = now + TimeDelta::days(1);
    let sql = bench.database().client().await;
    let id: Uuid = sql
        .query_one(
            "INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent, created_at,
                last_used_at, idle_expires_at, expires_at)
             SELECT gen_random_uuid(), id, epoch, $2, '1', '{pwd}', '192.0.2.1', 'A Browser', $2, $2, $3, $4
             FROM users WHERE id = $1 RETURNING id",
            &[&user, &began, &ends, &(ends + TimeDelta::days(1))],
        )
        .await
        .expect("a session")
        .get(0);
    let family: Uuid = sql
        .query_one(
            "INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time,
                acr, amr, rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at)
             SELECT gen_random_uuid(), user_id, 'shop', id, epoch, '{openid}', '{}', auth_time, acr, amr, true, true,
                1, 1, created_at, expires_at, expires_at FROM sessions WHERE id = $1 RETURNING id",
            &[&id],
        )
        .await
        .expect("a family")
        .get(0);
    sql.execute(
        "INSERT INTO authorization_codes (code_hash, family_id, client_id, user_id, session_id, epoch, redirect_uri,
            scopes, resources, auth_time, acr, amr, created_at, expires_at)
         SELECT decode(md5(id::text), 'hex'), gen_random_uuid(), 'shop', user_id, id, epoch, 'https://shop.example/cb',
            '{openid}', '{}', auth_time, acr, amr, created_at, expires_at FROM sessions WHERE id = $1",
        &[&id],
    )
    .await
    .expect("a code");
    (id, family)
}

/// The session ids and families that have not ended, each in order, and the number of codes.
async fn living(bench: &Bench) -> (Vec<Uuid>, Vec<Uuid>, i64) {
    let sql = bench.database().client().await;
    let ids = async |table: &str| {
        let statement = format!("SELECT id FROM {table} WHERE ended_at IS NULL ORDER BY id");
        let rows = sql.query(&statement, &[]).await.expect("listed");
        rows.iter().map(|row| row.get(0)).collect()
    };
    let codes = sql
        .query_one("SELECT count(*) FROM authorization_codes", &[])
        .await;
    (
        ids("sessions").await,
        ids("token_families").await,
        codes.expect("counted").get(0),
    )
}

#[tokio::test]
async fn sessions_are_listed_with_their_clients_and_one_ends_with_its_offline_tokens() {
    let bench = Bench::new().await;
    let ada = create(&bench, "ada@example.org").json();
    let eve = create(&bench, "eve@example.org").json();
    let (first, _) = session(&bench, &ada["id"], TimeDelta::hours(1)).await;
    let (other, other_family) = session(&bench, &eve["id"], TimeDelta::hours(1)).await;

    let listed = bench
        .json(&["sessions", "list", "--user", "ada@example.org"])
        .json();
    insta::assert_snapshot!(redacted(listed.clone()), @r#"
    [
      {
        "id": "[uuid]",
        "user_id": "[uuid]",
        "email": "ada@example.org",
        "created_at": "[time]",
        "last_used_at": "[time]",
        "expires_at": "[time]",
        "ip_address": "192.0.2.1",
        "user_agent": "A Browser",
        "amr": [
          "pwd"
        ],
        "clients": [
          "shop"
        ]
      }
    ]
    "#);
    assert_eq!(listed[0]["user_id"], ada["id"]);
    let all = bench.json(&["sessions", "list"]).json();
    assert_eq!(all.as_array().map(Vec::len), Some(2));

    let ended = bench.json(&["sessions", "revoke", &first.to_string()]).json();
    assert_eq!(
        ended,
        json!({"sessions": 1, "token_families": 1, "authorization_codes": 0})
    );
    let (sessions, families, _) = living(&bench).await;
    assert_eq!((sessions, families), (vec![other], vec![other_family]));
    let failure = bench.json(&["sessions", "revoke", &first.to_string()]).failure(1);
    assert_eq!(failure["error"], "not_found");
}

#[tokio::test]
async fn revoking_a_user_ends_everything_of_that_user_alone() {
    let bench = Bench::new().await;
    let ada = create(&bench, "ada@example.org").json();
    let eve = create(&bench, "eve@example.org").json();
    session(&bench, &ada["id"], TimeDelta::hours(1)).await;
    session(&bench, &ada["id"], TimeDelta::hours(2)).await;
    let (other, other_family) = session(&bench, &eve["id"], TimeDelta::hours(1)).await;
    let ended = bench
        .json(&["sessions", "revoke", "--user", "ada@example.org"])
        .json();
    assert_eq!(
        ended,
        json!({"sessions": 2, "token_families": 2, "authorization_codes": 0})
    );
    let (sessions, families, _) = living(&bench).await;
    assert_eq!((sessions, families), (vec![other], vec![other_family]));
    assert_eq!(epoch(&bench, &ada["id"]).await, 1, "codes die with the epoch");
    assert_eq!(epoch(&bench, &eve["id"]).await, 0);
}

#[tokio::test]
async fn a_restored_backup_is_made_safe_and_everything_can_be_ended() {
    let bench = Bench::new().await;
    let ada = create(&bench, "ada@example.org").json();
    for hours in [30, 20] {
        session(&bench, &ada["id"], TimeDelta::hours(hours)).await;
    }
    let (young, young_family) = session(&bench, &ada["id"], TimeDelta::hours(1)).await;
    let backup = (SystemClock.now() - TimeDelta::hours(10)).to_rfc3339();
    let restored = ["sessions", "revoke", "--all", "--issued-before", &backup];
    let ended = bench.json(&restored).json();
    assert_eq!(
        ended,
        json!({"sessions": 2, "token_families": 2, "authorization_codes": 2})
    );
    assert_eq!(living(&bench).await, (vec![young], vec![young_family], 1));
    let again = bench.json(&restored).json();
    assert_eq!(
        again,
        json!({"sessions": 0, "token_families": 0, "authorization_codes": 0})
    );
    let all = bench.json(&["--yes", "sessions", "revoke", "--all"]).json();
    assert_eq!(
        all,
        json!({"sessions": 1, "token_families": 1, "authorization_codes": 1})
    );
    assert_eq!(living(&bench).await, (vec![], vec![], 0));
    assert_eq!(bench.json(&["sessions", "list"]).json(), json!([]));
}

#[tokio::test]
async fn everything_is_ended_however_many_batches_it_takes() {
    let bench = Bench::new().await;
    create(&bench, "ada@example.org").json();
    let sql = bench.database().client().await;
    sql.batch_execute(
        "INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at,
            expires_at)
         SELECT gen_random_uuid(), id, 0, now(), '1', '{}', now(), now(), now(), now()
         FROM users, generate_series(1, 4500);
         INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr,
            amr, rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at)
         SELECT gen_random_uuid(), user_id, 'shop', id, 0, '{}', '{}', now(), '1', '{}', true, true, 1, 1, now(), now(),
            now() FROM sessions;
         INSERT INTO authorization_codes (code_hash, family_id, client_id, user_id, session_id, epoch, redirect_uri,
            scopes, resources, auth_time, acr, amr, created_at, expires_at)
         SELECT decode(md5(id::text), 'hex'), gen_random_uuid(), 'shop', user_id, id, 0, 'u', '{}', '{}', now(), '1',
            '{}', now(), now() FROM sessions",
    )
    .await
    .expect("inserted");
    let ended = bench.json(&["sessions", "revoke", "--all"]).json();
    assert_eq!(
        ended,
        json!({"sessions": 4500, "token_families": 4500, "authorization_codes": 4500})
    );
    assert_eq!(living(&bench).await, (vec![], vec![], 0));
}
