//! Whatever ends access, the list says so, and says what introspection says.

use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::domain::ids::{ClientId, FamilyId, SessionId};
use signet::domain::password::{Password, PasswordHash};
use signet::flows::{clients, operator_sessions, sessions as flow, users as accounts};
use signet::storage::token_families::{self, EndReason};
use signet::storage::{authorization_codes, sessions, users};

use super::{is_invalid, own_token, round};
use crate::support::browser::{Browser, payload};
use crate::support::database;
use crate::support::grants::{Granter, REDIRECT_URI, challenge, rotating, start};
use crate::support::tokens::{EMAIL, Walk, token};

/// All that somebody may have: tokens of two clients, online and offline, of two sessions and of another user, and
/// what the clients got for themselves.
struct Everything {
    walk: Walk,
    judge: (String, String),
    web: (String, String),
    /// By name, the answers of the token endpoint.
    tokens: Vec<(&'static str, Value)>,
}

impl Everything {
    async fn new() -> Self {
        let walk = Walk::start().await;
        let judge = walk.confidential("judge", json!({})).await;
        let web = walk.confidential("web", json!({})).await;
        walk.confidential("other", json!({})).await;
        let online = [("scope", "openid")];
        let offline = [("scope", "openid offline_access")];
        let mut tokens = vec![
            ("online", walk.tokens_of(&web, &online).await),
            ("offline", walk.tokens_of(&web, &offline).await),
            ("other client", walk.tokens_of(&judge, &online).await),
        ];
        let elsewhere = Browser::new(&walk.app);
        let walk = Walk {
            browser: elsewhere,
            ..walk
        };
        tokens.push(("elsewhere", walk.tokens_of(&web, &online).await));
        walk.app.user("eve@example.org", json!({})).await;
        let stranger = Browser::new(&walk.app);
        let page = stranger.open(&stranger.authorize("web", &online)).await;
        let code = stranger.log_in(&page, "eve@example.org").await.callback()["code"].clone();
        tokens.push(("stranger", walk.redeem_as(&web, &code, &[]).await.json()));
        for (name, client) in [("own of web", &web), ("own of judge", &judge)] {
            let token = own_token(&walk, client).await;
            tokens.push((name, json!({"access_token": token})));
        }
        walk.app.advance(TimeDelta::seconds(40));
        Self {
            walk,
            judge,
            web,
            tokens,
        }
    }

    fn get(&self, name: &str) -> &Value {
        &self
            .tokens
            .iter()
            .find(|(known, _)| *known == name)
            .expect("known")
            .1
    }

    fn access_token(&self, name: &str) -> &str {
        token(self.get(name), "access_token")
    }

    fn session(&self, name: &str) -> SessionId {
        let sid = payload(self.access_token(name))["sid"].clone();
        sid.as_str().expect("a sid").parse().expect("an id")
    }

    /// The names of those that the list calls invalid, which must be those that introspection calls so.
    async fn dead(&self) -> Vec<&'static str> {
        round(&self.walk.app).await;
        let mut dead = Vec::new();
        for (name, _) in &self.tokens {
            let access_token = self.access_token(name);
            let invalid = is_invalid(&self.walk, access_token).await;
            let told = self.walk.introspect(&self.judge, access_token).await;
            assert_eq!(told["active"], !invalid, "{name}");
            if invalid {
                dead.push(*name);
            }
        }
        dead
    }

    async fn revoke(&self, token: &str) {
        let fields = [("token", token)];
        let answer = self
            .walk
            .api
            .post_as((&self.web.0, &self.web.1), "/oauth2/revoke", &fields)
            .await;
        assert_eq!(answer.status, 200);
    }

    async fn refresh(&self, name: &str) -> Value {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token(self.get(name), "refresh_token")),
        ];
        self.walk
            .api
            .post_as((&self.web.0, &self.web.1), "/oauth2/token", &fields)
            .await
            .json()
    }
}

#[tokio::test]
async fn while_nothing_ended_nothing_is_listed() {
    let all = Everything::new().await;
    assert_eq!(all.dead().await, [""; 0]);
    all.refresh("online").await;
    assert_eq!(all.dead().await, [""; 0]);
}

#[tokio::test]
async fn a_logout_and_sessions_that_their_user_revokes() {
    let all = Everything::new().await;
    let (provider, now) = (&all.walk.app.provider, all.walk.app.provider.now());
    flow::log_out(provider, all.session("online"), now)
        .await
        .expect("out");
    assert_eq!(all.dead().await, ["online", "other client"]);
    let (session, user) = sessions::find_live(&provider.db, all.session("elsewhere"), now)
        .await
        .expect("asked")
        .expect("it lives");
    let present = flow::Present {
        session,
        user,
        renewed: false,
    };
    flow::revoke(provider, &present, present.session.id, now)
        .await
        .expect("ended");
    assert_eq!(all.dead().await, ["online", "other client", "elsewhere"]);
}

#[tokio::test]
async fn the_other_sessions_of_a_user() {
    let all = Everything::new().await;
    let now = all.walk.app.provider.now();
    let kept = all.session("elsewhere");
    sessions::end_others(all.walk.app.db(), all.walk.user, kept, now)
        .await
        .expect("ended");
    assert_eq!(all.dead().await, ["online", "other client"]);
}

#[tokio::test]
async fn what_an_operator_ends() {
    let of_ada = ["online", "offline", "other client", "elsewhere"];
    let all = Everything::new().await;
    let (db, now) = (all.walk.app.db(), all.walk.app.provider.now());
    operator_sessions::end(db, all.session("online"), now)
        .await
        .expect("ended");
    assert_eq!(all.dead().await, of_ada[..3]);
    operator_sessions::end_of_user(db, all.walk.user, now)
        .await
        .expect("ended");
    assert_eq!(all.dead().await, of_ada);
    operator_sessions::end_issued_before(db, None, now, |_| {})
        .await
        .expect("ended");
    assert_eq!(all.dead().await, [&of_ada[..], &["stranger"]].concat());
}

#[tokio::test]
async fn whatever_moves_the_epoch_of_a_user_and_their_deletion() {
    let of_ada = ["online", "offline", "other client", "elsewhere"];
    for way in ["epoch", "password", "disabled", "deleted"] {
        let all = Everything::new().await;
        let (app, user) = (&all.walk.app, all.walk.user);
        let (db, now) = (app.db(), app.provider.now());
        match way {
            "epoch" => assert!(users::move_epoch(db, user, now).await.expect("moved")),
            "password" => {
                let password = Password::presented("another battery staple 9");
                let hash: PasswordHash = app
                    .provider
                    .passwords
                    .hash(&password, [7; 16])
                    .await
                    .expect("hashed");
                assert!(users::set_password(db, user, &hash, now).await.expect("set"));
            }
            "disabled" => drop(accounts::disable(db, user, now).await.expect("disabled")),
            _ => accounts::delete(db, user, now).await.expect("deleted"),
        }
        assert_eq!(all.dead().await, of_ada, "{way}");
        if way == "disabled" {
            // What was issued before stays dead.
            accounts::enable(db, user).await.expect("enabled");
            assert_eq!(all.dead().await, of_ada, "{way}");
        }
    }
}

#[tokio::test]
async fn a_client_that_is_disabled_or_deleted() {
    let of_web = ["online", "offline", "elsewhere", "stranger", "own of web"];
    for way in ["disabled", "deleted"] {
        let all = Everything::new().await;
        let (db, now) = (all.walk.app.db(), all.walk.app.provider.now());
        let id: ClientId = "web".parse().expect("an id");
        if way == "disabled" {
            all.walk.app.disable_client("web").await;
            assert_eq!(all.dead().await, of_web);
            // Enabled again, its tokens are good again, as introspection has it.
            all.walk.app.sql("UPDATE clients SET disabled_at = NULL").await;
            assert_eq!(all.dead().await, [""; 0]);
        } else {
            clients::delete(db, &id, now).await.expect("deleted");
            assert_eq!(all.walk.app.count("token_families").await, 1);
            assert_eq!(all.dead().await, of_web);
        }
    }
}

#[tokio::test]
async fn a_family_that_a_deleted_client_got_at_the_last_moment() {
    let all = Everything::new().await;
    let (db, now) = (all.walk.app.db(), all.walk.app.provider.now());
    // As if the code had been redeemed after the client's families were deleted.
    let id: ClientId = "web".parse().expect("an id");
    signet::storage::clients::delete(db, &id, now)
        .await
        .expect("deleted");
    let of_web = ["online", "offline", "elsewhere", "stranger", "own of web"];
    assert_eq!(all.dead().await, of_web);
}

#[tokio::test]
async fn a_refresh_token_that_is_revoked_and_a_consent_that_is_withdrawn() {
    let all = Everything::new().await;
    let app = &all.walk.app;
    all.revoke(token(all.get("online"), "refresh_token")).await;
    assert_eq!(all.dead().await, ["online"]);
    let judge: ClientId = "judge".parse().expect("an id");
    let (user, now) = (all.walk.user, app.provider.now());
    let ended = token_families::end_of_user(app.db(), user, Some(&judge), now, EndReason::Withdrawn).await;
    assert_eq!(ended.expect("ended"), 1);
    assert_eq!(all.dead().await, ["online", "other client"]);
}

#[tokio::test]
async fn a_clients_own_token_is_revoked_alone() {
    let all = Everything::new().await;
    let next = own_token(&all.walk, &all.web).await;
    all.revoke(all.access_token("own of web")).await;
    assert_eq!(all.dead().await, ["own of web"]);
    assert!(!is_invalid(&all.walk, &next).await);
    // Another client's is left alone.
    all.revoke(all.access_token("own of judge")).await;
    assert_eq!(all.dead().await, ["own of web"]);
}

#[tokio::test]
async fn a_grants_access_token_is_revoked_and_what_the_grant_gives_then_is_good() {
    let all = Everything::new().await;
    let revoked = all.access_token("online");
    for _ in 0..2 {
        all.revoke(revoked).await;
        assert_eq!(all.dead().await, ["online"]);
    }
    let refreshed = all.refresh("online").await;
    let fresh = token(&refreshed, "access_token");
    assert_eq!(all.walk.introspect(&all.judge, fresh).await["active"], true);
    assert!(!is_invalid(&all.walk, fresh).await);
    assert_ne!(super::place(fresh), super::place(revoked));
    // And the grant ends as any other.
    all.revoke(token(&refreshed, "refresh_token")).await;
    assert_eq!(all.dead().await, ["online"]);
    assert!(is_invalid(&all.walk, fresh).await);
}

#[tokio::test]
async fn a_stolen_refresh_token_and_a_theft_after_the_logout() {
    let all = Everything::new().await;
    let app = &all.walk.app;
    for _ in 0..2 {
        assert!(all.refresh("online").await["access_token"].is_string());
    }
    app.advance(TimeDelta::seconds(40));
    // Never used since: its answer may have been lost. Then it was not.
    let branch = all.refresh("online").await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token(&branch, "refresh_token")),
    ];
    let api = &all.walk.api;
    api.post_as((&all.web.0, &all.web.1), "/oauth2/token", &fields)
        .await;
    app.advance(TimeDelta::seconds(40));
    assert_eq!(all.refresh("online").await["error"], "invalid_grant");
    assert_eq!(all.dead().await, ["online", "offline", "other client"]);
    let of_thief = token(&branch, "access_token");
    assert!(is_invalid(&all.walk, of_thief).await);
}

#[tokio::test]
async fn a_theft_in_a_session_that_ended_long_ago() {
    let walk = Walk::start().await;
    let judge = walk.confidential("judge", json!({})).await;
    let web = walk.confidential("web", json!({})).await;
    let offline = [("scope", "openid offline_access")];
    let stolen = walk.tokens_of(&web, &offline).await;
    let sibling = walk.tokens_of(&web, &offline).await;
    let app = &walk.app;
    let session: SessionId = payload(token(&stolen, "access_token"))["sid"]
        .as_str()
        .expect("a sid")
        .parse()
        .expect("an id");
    flow::log_out(&app.provider, session, app.provider.now())
        .await
        .expect("out");
    app.advance(TimeDelta::days(2));
    app.provider.reload().await.expect("read");
    let refresh = async |refresh_token: &str| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        walk.api
            .post_as((&web.0, &web.1), "/oauth2/token", &fields)
            .await
            .json()
    };
    let fresh = refresh(token(&sibling, "refresh_token")).await;
    let second = refresh(token(&stolen, "refresh_token")).await;
    refresh(token(&second, "refresh_token")).await;
    app.advance(TimeDelta::seconds(40));
    round(app).await;
    let fresh = token(&fresh, "access_token");
    assert!(!is_invalid(&walk, fresh).await);
    let theft = refresh(token(&stolen, "refresh_token")).await;
    assert_eq!(theft["error"], "invalid_grant");
    round(app).await;
    assert_eq!(walk.introspect(&judge, fresh).await["active"], false);
    assert!(is_invalid(&walk, fresh).await);
}

#[tokio::test]
async fn a_code_that_is_replayed() {
    let walk = Walk::start().await;
    let judge = walk.confidential("judge", json!({})).await;
    let code = walk.code("judge", &[]).await;
    let tokens = walk.redeem_as(&judge, &code, &[]).await.json();
    walk.redeem_as(&judge, &code, &[]).await;
    round(&walk.app).await;
    let access_token = token(&tokens, "access_token");
    assert_eq!(walk.introspect(&judge, access_token).await["active"], false);
    assert!(is_invalid(&walk, access_token).await);
}

#[tokio::test]
async fn a_user_who_is_deleted_while_a_code_of_theirs_is_redeemed() {
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    let granter = Granter::new(&sql).await;
    let code = granter.code(db).await;
    let redeeming = db.begin().await.expect("begun");
    let presented = authorization_codes::Presented {
        code_hash: &code.plain.hash(),
        client: &granter.client,
        redirect_uri: Some(REDIRECT_URI),
        code_challenge: Some(&challenge()),
    };
    authorization_codes::redeem(&redeeming, &presented, &rotating(), start())
        .await
        .expect("redeemed");
    let (deleting, user) = (db.clone(), granter.user);
    let deleting = tokio::spawn(async move { signet::flows::users::delete(&deleting, user, start()).await });
    // It waits for the redemption, whose family nobody else can see yet.
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while sql.query_one(waits, &[]).await.expect("asked").get::<_, i64>(0) == 0 {
        assert!(!deleting.is_finished());
        tokio::task::yield_now().await;
    }
    redeeming.commit().await.expect("redeemed");
    deleting.await.expect("done").expect("deleted");
    let left = sql
        .query("SELECT status_index FROM status_tombstones", &[])
        .await
        .expect("asked");
    let left: Vec<i64> = left.iter().map(|row| row.get(0)).collect();
    assert_eq!(left, [rotating().status_index.as_i64()]);
    let families = sql.query("SELECT FROM token_families", &[]).await.expect("asked");
    assert!(families.is_empty());
}

#[tokio::test]
async fn what_was_over_before_it_was_deleted_is_not_listed() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    walk.tokens_of(&web, &[]).await;
    walk.app.advance(TimeDelta::days(3));
    clients::delete(
        walk.app.db(),
        &"web".parse().expect("an id"),
        walk.app.provider.now(),
    )
    .await
    .expect("deleted");
    assert_eq!(walk.app.count("status_tombstones").await, 0);
}

/// The statements of `src/storage` that hold one of `parts`, as file and text.
fn statements_with(parts: &[&str]) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the storage floor") {
        let path = entry.expect("an entry").path();
        let Ok(source) = std::fs::read_to_string(&path) else {
            continue;
        };
        let file = path.file_stem().expect("a name").to_string_lossy().into_owned();
        for statement in source.split("\nconst ").skip(1) {
            let statement = statement.split(";\n").next().unwrap_or_default();
            if parts.iter().any(|part| statement.contains(part)) {
                let name = statement.split(':').next().unwrap_or_default();
                found.push((format!("{file}::{name}"), statement.to_owned()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_statement_that_deletes_what_tokens_stand_on_leaves_a_tombstone() {
    let deleting = statements_with(&[
        "DELETE FROM users",
        "DELETE FROM clients",
        "DELETE FROM token_families",
    ]);
    let names: Vec<_> = deleting.iter().map(|(name, _)| &**name).collect();
    assert_eq!(
        names,
        [
            "clients::DELETE",
            "clients::DELETE_GRANTS",
            "token_families::DELETE_EXPIRED",
            "users::DELETE"
        ]
    );
    for (name, statement) in deleting {
        // Of an expired family no token is left, by the time that the sweep waits.
        let expired = name == "token_families::DELETE_EXPIRED" && statement.contains("expires_at < $1");
        let told = statement.contains("INTO status_tombstones") || statement.contains("INTO deleted_clients");
        assert!(told || expired, "{name}");
    }
}

#[test]
fn every_statement_that_moves_the_epoch_says_when() {
    let moving = statements_with(&["epoch = epoch +"]);
    assert_eq!(moving.len(), 6, "{moving:?}");
    for (name, statement) in moving {
        assert!(statement.contains("epoch_moved_at = "), "{name}");
    }
}

#[test]
fn every_statement_that_ends_something_says_when() {
    let mut ending = statements_with(&["ended_reason = ", "ended_reason)"]);
    ending.retain(|(_, statement)| statement.contains("UPDATE "));
    assert!(ending.len() >= 8, "{ending:?}");
    for (name, statement) in ending {
        assert!(
            statement.contains("ended_at = ") || statement.contains("ended_at, ended_reason)"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_family_without_an_index_is_no_places() {
    let all = Everything::new().await;
    all.walk
        .app
        .sql("UPDATE token_families SET status_index = NULL")
        .await;
    let refreshed = all.refresh("online").await;
    let claims = payload(token(&refreshed, "access_token"));
    assert_eq!(claims.get("status"), None);
    let family: FamilyId = claims["gid"].as_str().expect("a gid").parse().expect("an id");
    let app = &all.walk.app;
    token_families::revoke(
        app.db(),
        family,
        &"web".parse().expect("an id"),
        app.provider.now(),
        EndReason::Revoked,
    )
    .await
    .expect("ended");
    round(app).await;
    assert!(!is_invalid(&all.walk, all.access_token("own of web")).await);
    assert_eq!(EMAIL, "ada@example.org");
}
