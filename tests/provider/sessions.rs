//! Browser sessions: how long they live, what ends them, and whose they are.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::json;
use signet::domain::ids::UserId;
use signet::domain::password::Password;
use signet::storage::users;
use uuid::Uuid;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::jar::{Jar, USER_AGENT};

const ADA: &str = "ada@example.org";
const EVE: &str = "eve@example.org";
const SESSION: &str = "better-auth.session_token";

/// An app with two users.
async fn app() -> (TestApp, UserId) {
    let app = TestApp::start().await;
    let ada = app.user(ADA, json!({})).await;
    app.user(EVE, json!({})).await;
    (app, ada)
}

async fn entered(app: &TestApp, email: &str) -> Jar {
    let mut jar = Jar::new(app);
    jar.enter(email).await;
    jar
}

#[derive(Debug, PartialEq)]
struct Row {
    id: Uuid,
    user: Uuid,
    created_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
    auth_time: DateTime<Utc>,
    ended: Option<String>,
}

/// All sessions, in the order in which they began.
async fn rows(app: &TestApp) -> Vec<Row> {
    const ALL: &str = "SELECT * FROM sessions ORDER BY created_at, id";
    let rows = app.database.client().await.query(ALL, &[]).await.expect("listed");
    rows.iter()
        .map(|row| Row {
            id: row.get("id"),
            user: row.get("user_id"),
            created_at: row.get("created_at"),
            last_used_at: row.get("last_used_at"),
            auth_time: row.get("auth_time"),
            ended: row.get("ended_reason"),
        })
        .collect()
}

#[tokio::test]
async fn a_session_that_is_not_used_ends_to_the_second() {
    let (app, _) = app().await;
    let mut used = entered(&app, ADA).await;
    let mut unused = entered(&app, ADA).await;
    app.advance(TimeDelta::days(7) - TimeDelta::seconds(1));
    assert!(used.is_in().await);
    app.advance(TimeDelta::seconds(1));
    assert!(!unused.is_in().await);
    // The use a second before has moved the end.
    app.advance(TimeDelta::days(7) - TimeDelta::seconds(2));
    assert!(used.is_in().await);
}

#[tokio::test]
async fn a_session_ends_in_the_end_however_it_is_used() {
    let (app, _) = app().await;
    let mut jar = entered(&app, ADA).await;
    for _ in 0..4 {
        app.advance(TimeDelta::days(6));
        assert!(jar.is_in().await);
    }
    app.advance(TimeDelta::days(6) - TimeDelta::seconds(1));
    assert!(jar.is_in().await);
    app.advance(TimeDelta::seconds(1));
    assert!(!jar.is_in().await);
}

#[tokio::test]
async fn a_use_is_written_down_once_a_minute_and_then_the_cookie_is_sent_again() {
    let (app, _) = app().await;
    let mut jar = entered(&app, ADA).await;
    let value = jar.cookies[SESSION].clone();
    let began = rows(&app).await[0].last_used_at;
    app.advance(TimeDelta::seconds(59));
    let page = jar.get("/account").await;
    assert!(page.set_cookies().is_empty(), "{page:#?}");
    assert_eq!(rows(&app).await[0].last_used_at, began);
    app.advance(TimeDelta::seconds(1));
    let page = jar.get("/account").await;
    assert_eq!(
        page.set_cookies(),
        [format!(
            "{SESSION}={value}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
        )]
    );
    assert_eq!(rows(&app).await[0].last_used_at, began + TimeDelta::minutes(1));
    assert!(jar.get("/account").await.set_cookies().is_empty());
    // Also where the answer is but a redirect.
    app.advance(TimeDelta::minutes(1));
    let answer = jar.get("/login").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.set_cookies().len(), 1);
}

#[tokio::test]
async fn a_session_dies_with_what_its_user_loses() {
    let (app, ada) = app().await;
    let now = app.provider.now();
    let mut of_eve = entered(&app, EVE).await;
    let mut jar = entered(&app, ADA).await;
    users::disable(app.db(), ada, now).await.expect("disabled");
    assert!(!jar.is_in().await, "disabled");
    users::enable(app.db(), ada).await.expect("enabled");
    assert!(!jar.is_in().await, "dead for good");

    let mut jar = entered(&app, ADA).await;
    users::move_epoch(app.db(), ada, app.provider.now())
        .await
        .expect("moved");
    assert!(!jar.is_in().await, "logged out everywhere");

    let mut jar = entered(&app, ADA).await;
    let password = Password::presented("another password");
    let hash = app.provider.passwords.hash(&password, [4; 16]).await;
    let hash = hash.expect("hashed");
    users::set_password(app.db(), ada, &hash, now)
        .await
        .expect("changed");
    assert!(!jar.is_in().await, "another password");
    assert_eq!(jar.log_in(ADA, PASSWORD).await.status, 422);
    assert_eq!(jar.log_in(ADA, "another password").await.status, 303);
    signet::flows::users::delete(app.db(), ada, app.provider.now())
        .await
        .expect("deleted");
    assert!(!jar.is_in().await, "deleted");
    assert!(of_eve.is_in().await);
}

#[tokio::test]
async fn the_same_user_again_keeps_the_session_and_renews_it() {
    let (app, _) = app().await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;
    jar.enter(ADA).await;
    let (before, value) = (rows(&app).await, jar.cookies[SESSION].clone());
    app.advance(TimeDelta::days(6));
    let answer = jar.submit(&page, &[("email", ADA), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.set_cookies().len(), 1, "{answer:#?}");
    assert_eq!(jar.cookies[SESSION], value);
    let after = rows(&app).await;
    assert_eq!((after.len(), after[0].id), (1, before[0].id));
    assert_eq!(after[0].created_at, before[0].created_at);
    assert_eq!(after[0].auth_time, before[0].auth_time + TimeDelta::days(6));
}

#[tokio::test]
async fn a_dead_session_is_not_revived_by_a_login() {
    let (app, _) = app().await;
    let mut jar = entered(&app, ADA).await;
    app.sql("UPDATE sessions SET ended_at = created_at, ended_reason = 'revoked'")
        .await;
    let value = jar.cookies[SESSION].clone();
    jar.enter(ADA).await;
    assert_ne!(jar.cookies[SESSION], value);
    let rows = rows(&app).await;
    assert_eq!(rows.len(), 2);
    assert_eq!(rows.iter().filter(|row| row.ended.is_some()).count(), 1);
}

#[tokio::test]
async fn another_user_in_the_same_browser_ends_the_session_of_the_first() {
    let (app, _) = app().await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;
    jar.enter(ADA).await;
    let mut old = jar.clone();
    // A wrong password ends nothing.
    jar.submit(&page, &[("email", EVE), ("password", "wrong password")])
        .await;
    assert!(old.is_in().await);
    app.advance(TimeDelta::seconds(1));
    jar.submit(&page, &[("email", EVE), ("password", PASSWORD)]).await;
    assert!(jar.get("/account").await.body.contains(EVE));
    assert!(!old.is_in().await);
    let rows = rows(&app).await;
    assert_eq!(rows[0].ended.as_deref(), Some("replaced"));
    assert_ne!(rows[0].id, rows[1].id);
}

#[tokio::test]
async fn a_planted_session_is_not_the_one_that_a_login_begins() {
    let (app, _) = app().await;
    let of_eve = entered(&app, EVE).await;
    let planted = of_eve.cookies[SESSION].clone();
    let mut victim = Jar::new(&app);
    let page = victim.get("/login").await;
    victim.cookies.insert(SESSION.to_owned(), planted.clone());
    victim
        .submit(&page, &[("email", ADA), ("password", PASSWORD)])
        .await;
    assert_ne!(victim.cookies[SESSION], planted);
    assert!(victim.get("/account").await.body.contains(ADA));
    assert!(
        !of_eve.clone().is_in().await,
        "nor does it see what the victim does"
    );

    // Values that nobody issued are as good as none.
    for forged in [
        "",
        "x",
        "signet_st_AAAA.AAAA",
        &planted.replace("signet_st_", "signet_st_A"),
    ] {
        let mut victim = Jar::new(&app);
        victim.cookies.insert(SESSION.to_owned(), forged.to_owned());
        victim.enter(ADA).await;
        assert_ne!(victim.cookies[SESSION], forged);
    }
}

#[tokio::test]
async fn the_account_lists_where_its_user_is_logged_in() {
    let (app, _) = app().await;
    let mut jar = entered(&app, ADA).await;
    app.advance(TimeDelta::hours(1));
    let mut phone = Jar::from_address(&app, "2001:db8::7");
    phone.headers[2].1 =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/18.5 Mobile/15E148 Safari/604.1"
            .to_owned();
    phone.enter(ADA).await;
    entered(&app, EVE).await;
    app.advance(TimeDelta::minutes(5));
    let page = jar.get("/account").await;
    let sessions = page.body.split("<ul class=\"sessions\"").nth(1).expect("a list");
    let items: Vec<_> = sessions
        .split("<li>")
        .skip(1)
        .map(|item| item.split("</li>").next().unwrap_or_default())
        .collect();
    assert_eq!(items.len(), 2, "{}", page.body);
    let at = |by: TimeDelta| (app.provider.now() - by).format("%Y-%m-%dT%H:%M").to_string();
    let (here, there) = if items[0].contains("This browser") {
        (items[0], items[1])
    } else {
        (items[1], items[0])
    };
    assert!(
        here.contains("Firefox") && here.contains("Linux") && here.contains("203.0.113.7"),
        "{here}"
    );
    assert!(!here.contains("<form"), "the session in use has no button");
    assert!(
        there.contains("Safari") && there.contains("iPhone") && there.contains("2001:db8::7"),
        "{there}"
    );
    assert!(
        there.contains(&at(TimeDelta::minutes(5))),
        "{there}: {}",
        at(TimeDelta::minutes(5))
    );
    assert!(here.contains(&at(TimeDelta::minutes(65))), "{here}");
    assert!(!page.body.contains(USER_AGENT), "no more than in words");
}

#[tokio::test]
async fn a_user_ends_one_session_or_all_others() {
    let (app, _) = app().await;
    let mut here = entered(&app, ADA).await;
    let mut there = entered(&app, ADA).await;
    let mut third = entered(&app, ADA).await;
    let mut of_eve = entered(&app, EVE).await;
    let page = here.get("/account").await;
    let revoke = page
        .forms()
        .into_iter()
        .map(|(url, _)| url.path().to_owned())
        .find(|path| path.ends_with("/revoke"))
        .expect("another session");
    let answer = here.submit_to(&page, &revoke, &[]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
    assert!(
        here.get("/account?ended=one")
            .await
            .body
            .contains("The session has ended.")
    );
    assert_eq!(answer.header("location"), Some("/account?ended=one"));
    let alive = [there.is_in().await, third.is_in().await];
    assert_eq!(alive.iter().filter(|alive| **alive).count(), 1);
    assert!(here.is_in().await && of_eve.is_in().await);

    let mut there = entered(&app, ADA).await;
    let page = here.get("/account").await;
    let answer = here
        .submit_to(&page, "/account/sessions/revoke-others", &[])
        .await;
    assert_eq!(answer.header("location"), Some("/account?ended=others"));
    assert!(!there.is_in().await && !third.is_in().await);
    assert!(here.is_in().await && of_eve.is_in().await);
    assert!(!here.get("/account").await.body.contains("revoke"));
}

#[tokio::test]
async fn nobody_ends_the_session_of_another_user() {
    let (app, ada) = app().await;
    let mut of_ada = entered(&app, ADA).await;
    let mut of_eve = entered(&app, EVE).await;
    let page = of_eve.get("/account").await;
    let code = page.form().1.remove(0);
    let theirs = rows(&app)
        .await
        .into_iter()
        .find(|row| row.user == *ada.as_uuid())
        .expect("there is one")
        .id;
    let path = format!("/account/sessions/{theirs}/revoke");
    let answer = of_eve.post(&path, &[(&*code.0, &*code.1)]).await;
    // What it says does not tell whether there is such a session.
    let nobodys = format!("/account/sessions/{}/revoke", Uuid::nil());
    let same = of_eve.post(&nobodys, &[(&*code.0, &*code.1)]).await;
    assert_eq!((answer.status, answer.body), (same.status, same.body));
    let answer = of_eve
        .post("/account/sessions/revoke-others", &[(&*code.0, &*code.1)])
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(of_ada.is_in().await);
    for garbage in ["x", "..", "%00", "%ff", &"a".repeat(3000)] {
        let path = format!("/account/sessions/{garbage}/revoke");
        let answer = of_eve.post(&path, &[(&*code.0, &*code.1)]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{garbage}");
    }
}
