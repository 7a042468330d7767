//! Whatever ends a session, its clients are told; what ends something else tells nobody.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::domain::ids::{ClientId, SessionId};
use signet::domain::password::Password;
use signet::flows::{operator_sessions, sessions as flow, users as accounts};
use signet::storage::{sessions, users};

use super::receiver::Receiver;
use super::{courier, log_out, round, session, told_client};
use crate::support::app::TestApp;
use crate::support::browser::{Browser, payload};
use crate::support::tokens::{EMAIL, Walk, token};

/// A user with two sessions and somebody else with one; two clients that are told, and one that is not.
struct Scene {
    walk: Walk,
    receiver: Receiver,
    web: (String, String),
    here: Value,
    elsewhere: Value,
    stranger: Value,
}

const STRANGER: &str = "eve@example.org";

impl Scene {
    async fn new() -> Self {
        let walk = Walk::start().await;
        let receiver = Receiver::start().await;
        let web = told_client(&walk, "web", &receiver).await;
        let other = told_client(&walk, "other", &receiver).await;
        let silent = walk.confidential("silent", json!({})).await;
        walk.app.user(STRANGER, json!({})).await;
        let here = walk.tokens_of(&web, &[]).await;
        walk.tokens_of(&other, &[("scope", "openid offline_access")])
            .await;
        walk.tokens_of(&silent, &[]).await;
        let mut scene = Self {
            walk,
            receiver,
            web,
            here,
            elsewhere: Value::Null,
            stranger: Value::Null,
        };
        scene.elsewhere = scene.log_in_anew(EMAIL).await;
        scene.stranger = scene.log_in_anew(STRANGER).await;
        scene
    }

    /// What the client `web` gets in a browser of its own.
    async fn log_in_anew(&self, email: &str) -> Value {
        let browser = Browser::new(&self.walk.app);
        let page = browser.open(&browser.authorize("web", &[])).await;
        let code = browser.log_in(&page, email).await.callback()["code"].clone();
        self.walk.redeem_as(&self.web, &code, &[]).await.json()
    }

    /// Who was told of which session, by name.
    async fn told(&self) -> BTreeSet<String> {
        round(&mut courier(&self.walk.app)).await;
        let name = |sid: &Value| {
            let known = [
                ("here", &self.here),
                ("elsewhere", &self.elsewhere),
                ("stranger", &self.stranger),
            ];
            let found = known.iter().find(|(_, tokens)| json!(session(tokens)) == *sid);
            found.expect("a session of these").0
        };
        let tokens = self.receiver.tokens();
        let told: BTreeSet<String> = tokens
            .iter()
            .map(|token| {
                let claims = payload(token);
                format!(
                    "{} of {}",
                    claims["aud"].as_str().expect("an aud"),
                    name(&claims["sid"])
                )
            })
            .collect();
        assert_eq!(told.len(), tokens.len(), "each once");
        told
    }

    async fn refresh(&self, refresh_token: &str) -> Value {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let client = (&*self.web.0, &*self.web.1);
        self.walk
            .api
            .post_as(client, "/oauth2/token", &fields)
            .await
            .json()
    }
}

/// All the ways in which sessions end, and who is told.
const WAYS: [(&str, &[&str]); 14] = [
    ("logout", HERE),
    ("revoked by the user", HERE),
    ("the others revoked by the user", HERE),
    ("somebody else logs in", HERE),
    ("a refresh token was stolen", HERE),
    ("ended by an operator", HERE),
    ("all of a user ended by an operator", OF_USER),
    ("all ended by an operator", ALL),
    ("the epoch moved", OF_USER),
    ("a new password", OF_USER),
    ("disabled", OF_USER),
    ("disabled and enabled again", OF_USER),
    ("deleted", OF_USER),
    ("logged out, then deleted before anybody was told", OF_USER),
];
const HERE: &[&str] = &["other of here", "web of here"];
const OF_USER: &[&str] = &["other of here", "web of elsewhere", "web of here"];
const ALL: &[&str] = &[
    "other of here",
    "web of elsewhere",
    "web of here",
    "web of stranger",
];

async fn end(scene: &Scene, way: &str) {
    let (app, user) = (&scene.walk.app, scene.walk.user);
    let (db, now) = (app.db(), app.provider.now());
    let here = session(&scene.here);
    match way {
        "logout" => log_out(app, here).await,
        "revoked by the user" => {
            let present = present(app, here).await;
            assert!(
                flow::revoke(&app.provider, &present, here, now)
                    .await
                    .expect("ended")
            );
        }
        "the others revoked by the user" => {
            let present = present(app, session(&scene.elsewhere)).await;
            assert_eq!(
                flow::revoke_others(&app.provider, &present, now)
                    .await
                    .expect("ended"),
                1
            );
        }
        "somebody else logs in" => {
            let browser = &scene.walk.browser;
            let page = browser
                .open(&browser.authorize("web", &[("prompt", "login")]))
                .await;
            browser.log_in(&page, STRANGER).await.callback();
        }
        "a refresh token was stolen" => {
            let first = token(&scene.here, "refresh_token");
            let second = scene.refresh(first).await;
            scene.refresh(token(&second, "refresh_token")).await;
            app.advance(TimeDelta::seconds(40));
            assert_eq!(scene.refresh(first).await["error"], "invalid_grant");
        }
        "ended by an operator" => {
            operator_sessions::end(db, here, now).await.expect("ended");
        }
        "all of a user ended by an operator" => {
            operator_sessions::end_of_user(db, user, now)
                .await
                .expect("ended");
        }
        "all ended by an operator" => {
            operator_sessions::end_issued_before(db, None, now, |_| {})
                .await
                .expect("ended");
        }
        "the epoch moved" => assert!(users::move_epoch(db, user, now).await.expect("moved")),
        "a new password" => {
            let password = Password::presented("another battery staple 9");
            let hash = app
                .provider
                .passwords
                .hash(&password, [7; 16])
                .await
                .expect("hashed");
            assert!(users::set_password(db, user, &hash, now).await.expect("set"));
        }
        "disabled" => drop(accounts::disable(db, user, now).await.expect("disabled")),
        "disabled and enabled again" => {
            accounts::disable(db, user, now).await.expect("disabled");
            accounts::enable(db, user).await.expect("enabled");
        }
        "deleted" => accounts::delete(db, user, now).await.expect("deleted"),
        _ => {
            log_out(app, here).await;
            accounts::delete(db, user, now).await.expect("deleted");
        }
    }
}

async fn present(app: &TestApp, id: SessionId) -> flow::Present {
    let (session, user) = sessions::find_live(app.db(), id, app.provider.now())
        .await
        .expect("asked")
        .expect("it lives");
    flow::Present {
        session,
        user,
        renewed: false,
    }
}

#[tokio::test]
async fn whatever_ends_a_session_tells_its_clients_of_that_one_once() {
    for (way, told) in WAYS {
        let scene = Scene::new().await;
        assert!(scene.told().await.is_empty(), "{way}");
        end(&scene, way).await;
        let expected: BTreeSet<String> = told.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(scene.told().await, expected, "{way}");
        // And that is all, whatever happens to the session thereafter.
        if !way.contains("deleted") {
            accounts::delete(
                scene.walk.app.db(),
                scene.walk.user,
                scene.walk.app.provider.now(),
            )
            .await
            .expect("deleted");
        }
        let further: Vec<String> = scene.told().await.difference(&expected).cloned().collect();
        assert!(
            further.iter().all(|name| name == "web of elsewhere"),
            "{way}: {further:?}"
        );
        assert_eq!(scene.walk.app.count("logout_deliveries").await, 0, "{way}");
    }
}

#[tokio::test]
async fn what_ends_no_session_tells_nobody() {
    let scene = Scene::new().await;
    let app = &scene.walk.app;
    let fields = [("token", token(&scene.here, "refresh_token"))];
    let client = (&*scene.web.0, &*scene.web.1);
    scene.walk.api.post_as(client, "/oauth2/revoke", &fields).await;
    scene.refresh(token(&scene.elsewhere, "refresh_token")).await;
    // Logging in again keeps the session.
    let browser = &scene.walk.browser;
    let page = browser
        .open(&browser.authorize("web", &[("prompt", "login")]))
        .await;
    browser.log_in(&page, EMAIL).await.callback();
    assert!(scene.told().await.is_empty());
    // A session that expires.
    app.advance(TimeDelta::days(31));
    assert!(scene.told().await.is_empty());
    assert_eq!(app.count("logout_deliveries").await, 0);
}

#[tokio::test]
async fn a_disabled_client_is_told_nothing_and_a_deleted_one_is_forgotten() {
    let scene = Scene::new().await;
    let app = &scene.walk.app;
    let now = app.provider.now();
    app.disable_client("web").await;
    let other: ClientId = "other".parse().expect("an id");
    signet::flows::clients::delete(app.db(), &other, now)
        .await
        .expect("deleted");
    app.provider.reload().await.expect("read");
    log_out(app, session(&scene.here)).await;
    assert!(scene.told().await.is_empty());
    assert_eq!(app.count("logout_deliveries").await, 0);
}
