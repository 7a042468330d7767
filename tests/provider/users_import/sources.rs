//! Exports as the providers write them. The hashes were made by the libraries of Node and Python.

use serde_json::{Value, json};

use super::{Home, opens};

const PASSWORD: &str = "correct horse battery";
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.";

/// What of a stored user tokens and pages would tell.
fn told(user: &Value) -> Value {
    let members = [
        "subject",
        "email_verified",
        "name",
        "profile",
        "origin",
        "identities",
    ];
    members.iter().map(|name| user[name].clone()).collect()
}

#[tokio::test]
async fn users_of_auth0_come_by_two_exports_of_which_the_second_has_the_passwords() {
    let home = Home::new().await;
    let users = home.write(
        "users.ndjson",
        r#"{"user_id":"auth0|60425dc43519d90068f82973","email":"ada@example.org","email_verified":true,"name":"Ada Lovelace","nickname":"ada","picture":"https://p.example/a.png","created_at":"2021-03-05T16:34:12.000Z","last_login":"2026-01-02T03:04:05.678Z","identities":[{"user_id":"60425dc43519d90068f82973","provider":"auth0","connection":"Username-Password-Authentication","isSocial":false},{"user_id":"1098","provider":"google-oauth2","connection":"google-oauth2","isSocial":true}]}
{"user_id":"google-oauth2|77","email":"grace@example.org","email_verified":true,"name":"grace@example.org","given_name":"Grace","family_name":"Hopper","identities":[{"user_id":77,"provider":"google-oauth2"}],"blocked":true}
"#,
    );
    let passwords = home.write(
        "passwords.ndjson",
        &format!(
            r#"{{"_id":{{"$oid":"60425dc43519d90068f82973"}},"email_verified":false,"email":"ada@example.org","passwordHash":"{BCRYPT}","password_set_date":{{"$date":"2021-03-05T16:34:12.123Z"}},"tenant":"t","connection":"Username-Password-Authentication"}}
"#
        ),
    );
    let done = home.import(&["--from", "auth0", &users]).await;
    assert_eq!([&done["imported"], &done["identities"]], [&json!(2), &json!(2)]);
    assert_eq!(done["without_password"], 2);
    let done = home.import(&["--from", "auth0", &passwords]).await;
    assert_eq!(
        [&done["already_there"], &done["passwords_added"]],
        [&json!(1), &json!(1)]
    );
    let again = home.import(&["--from", "auth0", &passwords]).await;
    assert_eq!(again["passwords_added"], 0);

    let ada = home.user("ada@example.org").await;
    assert_eq!(
        told(&ada),
        json!(["auth0|60425dc43519d90068f82973", true, "Ada Lovelace",
            {"nickname": "ada", "picture": "https://p.example/a.png"}, "auth0", ["google 1098"]])
    );
    assert!(opens(&ada, PASSWORD).await);
    assert_eq!(ada["created_at"], "2021-03-05T16:34:12+00:00");
    assert_eq!(ada["last_login_at"], "2026-01-02T03:04:05.678+00:00");
    let grace = home.user("grace@example.org").await;
    assert_eq!(grace["name"], "Grace Hopper", "an address is no name");
    assert_eq!(grace["password_hash"], Value::Null);
    assert!(grace["disabled_at"].is_string());
}

#[tokio::test]
async fn users_of_firebase_come_with_the_hash_parameters_of_their_project() {
    let home = Home::new().await;
    let config = home.write(
        "hash.txt",
        "hash_config {\n  algorithm: SCRYPT,\n  base64_signer_key: jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==,\n  base64_salt_separator: Bw==,\n  rounds: 8,\n  mem_cost: 14,\n}\n",
    );
    let export = home.write(
        "users.json",
        r#"{"users": [
{"localId": "Xl1pY7pVd4UGZ0yqyOfqiJZ8fHz2", "email": "ada@example.org", "emailVerified": true,
 "passwordHash": "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==",
 "salt": "42xEC+ixf3L2lw==", "displayName": "Ada Lovelace", "photoUrl": "https://p.example/a.png",
 "lastSignedInAt": "1700000000123", "createdAt": "1600000000000", "phoneNumber": "+442079460018",
 "providerUserInfo": [{"providerId": "google.com", "rawId": "1098", "email": "ada@example.org"},
  {"providerId": "password", "email": "ada@example.org"}]},
{"localId": "anonymous1", "createdAt": "1600000000000", "providerUserInfo": []}
]}"#,
    );
    let done = home
        .import(&[
            "--from",
            "firebase",
            "--hash-config",
            &config,
            "--report",
            "r",
            &export,
        ])
        .await;
    assert_eq!([&done["imported"], &done["refused"]], [&json!(1), &json!(1)]);
    assert_eq!(home.report("r")[0]["reason"], "no_email");
    let ada = home.user("ada@example.org").await;
    assert_eq!(
        told(&ada),
        json!(["Xl1pY7pVd4UGZ0yqyOfqiJZ8fHz2", true, "Ada Lovelace",
            {"picture": "https://p.example/a.png", "phone_number": "+442079460018", "phone_number_verified": true},
            "firebase", ["google 1098"]])
    );
    assert!(opens(&ada, "user1password").await);
    assert_eq!(ada["created_at"], "2020-09-13T12:26:40+00:00");
}

#[tokio::test]
async fn users_of_keycloak_come_from_a_realm_export_with_whatever_else_that_has() {
    let home = Home::new().await;
    let secret =
        |hash: &str| json!({"value": hash, "salt": "MDEyMzQ1Njc4OWFiY2RlZg==", "additionalParameters": {}});
    let data = |algorithm: &str, rounds: u32| json!({"hashIterations": rounds, "algorithm": algorithm, "additionalParameters": {}});
    let credential = |algorithm: &str, rounds, hash: &str| {
        json!([{"type": "otp", "secretData": "{}"}, {"id": "c", "type": "password", "userLabel": "My password",
            "secretData": secret(hash).to_string(), "credentialData": data(algorithm, rounds).to_string()}])
    };
    let argon2 = json!([{"type": "password",
        "secretData": json!({"value": "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=", "salt": "c29tZXNhbHQ="}).to_string(),
        "credentialData": json!({"hashIterations": 2, "algorithm": "argon2", "additionalParameters":
            {"hashLength": ["32"], "memory": ["256"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"]}}).to_string()}]);
    let id = "0b5c7f0e-8d4c-4a5e-9f4b-6c1d2e3f4a5b";
    let realm = json!({
        "id": "r", "realm": "example", "roles": {"realm": [{"name": "admin"}]}, "clients": [{"clientId": "x"}],
        "users": [
            {"id": id, "username": "ada", "email": "ada@example.org", "emailVerified": true,
             "firstName": "Ada", "lastName": "Lovelace", "enabled": true, "createdTimestamp": 1_600_000_000_000_i64,
             "attributes": {"locale": ["en"], "shoe": ["38"]},
             "credentials": credential("pbkdf2-sha512", 2100, "nCvlA6ZtAsUE2yi7TFnlooE8RpBxtGdfEIkqxHh1PxhlbEecT4U5vPVFv39cgDjigbRpRWqH9SJuFlOmjv5q3Q=="),
             "federatedIdentities": [{"identityProvider": "github", "userId": "12", "userName": "ada"}]},
            {"id": "f:ldap:grace", "username": "grace", "email": "grace@example.org", "enabled": false,
             "credentials": credential("pbkdf2-sha256", 2750, "2iKfUUbWyLDcg+Pf+503VBSVgObDFwSStsCdR7rMkx/ePopZOw7QnZhOFvBHdoujgwx0LpjBuNQ9OgPWAg/3ZA==")},
            {"id": "third", "username": "alan", "email": "alan@example.org", "credentials": argon2},
        ],
        "keycloakVersion": "26.0.0",
    });
    let export = home.write("realm.json", &serde_json::to_string_pretty(&realm).expect("JSON"));
    let done = home.import(&["--from", "keycloak", &export]).await;
    assert_eq!(
        [&done["imported"], &done["with_password"]],
        [&json!(3), &json!(3)]
    );
    let ada = home.user("ada@example.org").await;
    assert_eq!(ada["id"], id, "a subject that is an id is the user's id");
    assert_eq!(
        told(&ada),
        json!([null, true, "Ada Lovelace", {"given_name": "Ada", "family_name": "Lovelace",
            "preferred_username": "ada", "locale": "en"}, "keycloak", ["github 12"]])
    );
    let grace = home.user("grace@example.org").await;
    assert_eq!([&grace["subject"], &grace["name"]], ["f:ldap:grace", "grace"]);
    assert_eq!(grace["email_verified"], false);
    for user in [&ada, &grace] {
        assert!(opens(user, "correct horse ﬁsh").await);
    }
    assert!(opens(&home.user("alan@example.org").await, "password").await);
}

#[tokio::test]
async fn users_of_supabase_come_from_their_table_as_json_lines_or_csv() {
    let id = "6b1d4b8e-3c0a-4c55-8f0e-0d9a1c2b3e4f";
    let row = json!({"id": id, "aud": "authenticated", "email": "ada@example.org",
        "encrypted_password": "$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS",
        "email_confirmed_at": "2023-01-01T12:00:00.123456+00:00", "created_at": "2023-01-01T11:00:00+00:00",
        "raw_user_meta_data": {"full_name": "Ada Lovelace", "avatar_url": "https://p.example/a.png"},
        "banned_until": null, "deleted_at": null, "phone": null});
    let identity = json!({"id": "9f1d4b8e-3c0a-4c55-8f0e-0d9a1c2b3e4f", "provider_id": "1098", "provider": "google",
        "identity_data": {"sub": "1098"}});
    let mut joined = row.clone();
    joined["identities"] = json!([identity, {"id": id, "provider_id": id, "provider": "email"}]);
    let gone = json!({"id": "7b1d4b8e-3c0a-4c55-8f0e-0d9a1c2b3e4f", "email": "gone@example.org",
        "deleted_at": "2024-01-01T00:00:00+00:00"});
    let table = format!(
        "id,email,encrypted_password,email_confirmed_at,created_at,raw_user_meta_data,banned_until,deleted_at,phone\n\
         {id},ada@example.org,$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS,2023-01-01 12:00:00.123456+00,\
         2023-01-01 11:00:00+00,\"{{\"\"full_name\"\": \"\"Ada Lovelace\"\", \"\"avatar_url\"\": \"\"https://p.example/a.png\"\"}}\",,,\n\
         7b1d4b8e-3c0a-4c55-8f0e-0d9a1c2b3e4f,gone@example.org,,,,,,2024-01-01 00:00:00+00,\n"
    );
    for (text, identities) in [
        (json!([row, gone]).to_string(), json!([])),
        (format!("{joined}\n{gone}\n"), json!(["google 1098"])),
        (table, json!([])),
    ] {
        let home = Home::new().await;
        let export = home.write("users", &text);
        let done = home
            .import(&["--from", "supabase", "--report", "r", &export])
            .await;
        assert_eq!(
            [&done["imported"], &done["refused"]],
            [&json!(1), &json!(1)],
            "{text}"
        );
        assert_eq!(home.report("r")[0]["reason"], "deleted");
        let ada = home.user("ada@example.org").await;
        assert_eq!(ada["id"], id);
        assert_eq!(
            told(&ada),
            json!([null, true, "Ada Lovelace", {"picture": "https://p.example/a.png"}, "supabase", identities])
        );
        assert_eq!(ada["created_at"], "2023-01-01T11:00:00+00:00");
        assert!(opens(&ada, PASSWORD).await);
    }
}

#[tokio::test]
async fn users_of_anything_else_come_in_a_form_of_our_own() {
    let home = Home::new().await;
    let full = json!({"subject": "legacy:1", "email": "Ada@Example.org", "email_verified": true, "name": "Ada Lovelace",
        "profile": {"locale": "en-GB"}, "password_hash": BCRYPT, "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2021-01-01T00:00:00Z", "last_login_at": "2022-01-01T00:00:00Z", "disabled": false,
        "identities": [{"provider": "corp", "issuer": "https://idp.example", "subject": "a1"}]});
    let text = format!("{full}\n\n{}\n", json!({"email": "grace@example.org"}));
    let file = home.write("users.jsonl", &text);
    let done = home
        .import(&["--from", "jsonl", "--origin", "legacy", &file])
        .await;
    assert_eq!(
        done,
        json!({"from": "jsonl", "origin": "legacy", "dry_run": false, "read": 2, "imported": 2, "already_there": 0,
            "refused": 0, "with_password": 1, "without_password": 1, "passwords_refused": 0, "passwords_added": 0,
            "identities": 1, "passkeys": 0, "sessions": 0, "keys": 0})
    );
    let ada = home.user("Ada@Example.org").await;
    assert_eq!(
        told(&ada),
        json!(["legacy:1", true, "Ada Lovelace", {"locale": "en-GB"}, "legacy", ["corp a1"]])
    );
    let grace = home.user("grace@example.org").await;
    assert_eq!(grace["name"], "grace", "what stands before the @");
    assert_eq!(grace["subject"], Value::Null);
    let again = home
        .import(&["--from", "jsonl", "--origin", "legacy", &file])
        .await;
    assert_eq!(again["already_there"], 2);

    let shown = home
        .command(&["users", "show", "legacy:1"])
        .output()
        .expect("it runs");
    let shown: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!(
        [&shown["subject"], &shown["email"]],
        ["legacy:1", "Ada@Example.org"]
    );
}
