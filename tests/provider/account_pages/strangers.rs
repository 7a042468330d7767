//! What a stranger asks for is answered the same, whether or not there is an account.

use serde_json::json;

use super::{ADA, NEW, link_to, path_in};
use crate::support::app::TestApp;
use crate::support::browser::Answer;
use crate::support::jar::Jar;

/// As long as Ada's, so that answers can be compared by their length too.
const EVE: &str = "eve@example.org";

/// Sends the first form of a page from a browser that was never here.
async fn ask(app: &TestApp, page: &str, fields: &[(&str, &str)]) -> Answer {
    let mut jar = Jar::new(app);
    let form = jar.get(page).await;
    jar.submit(&form, fields).await
}

/// What an answer tells beyond what was typed and what is random.
fn told(answer: &Answer, email: &str) -> (u16, Vec<(String, String)>, String) {
    let (_, hidden) = answer.form();
    let mut body = answer.body.replace(email, "EMAIL");
    for (name, value) in hidden {
        if name == "csrf" {
            body = body.replace(&value, "CSRF");
        }
    }
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| {
            !["date", "x-request-id", "set-cookie", "content-length"].contains(&name.as_str())
        })
        .map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned()))
        .collect();
    headers.extend(answer.set_cookies().iter().map(|line| {
        let (name, rest) = line.split_once('=').expect("a cookie has a name");
        let attributes = rest.split_once(';').map(|(_, attributes)| attributes);
        (name.to_owned(), attributes.unwrap_or_default().to_owned())
    }));
    headers.sort();
    (answer.status.as_u16(), headers, body)
}

#[tokio::test]
async fn of_an_address_nobody_learns_whether_it_has_an_account() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    app.sql("UPDATE users SET email_verified = false").await;
    for page in ["/forgot-password", "/verify-email"] {
        let known = ask(&app, page, &[("email", ADA)]).await;
        let unknown = ask(&app, page, &[("email", EVE)]).await;
        assert_eq!(known.status, 200);
        assert_eq!(told(&known, ADA), told(&unknown, EVE), "{page}");
        let mails = app.deliver_mail().await;
        let to: Vec<_> = mails.iter().map(|mail| &*mail.to).collect();
        assert_eq!(to, [ADA], "{page}");
    }
    // Whoever has no account gets one by the link.
    let known = ask(&app, "/login/link", &[("email", ADA)]).await;
    let unknown = ask(&app, "/login/link", &[("email", EVE)]).await;
    assert_eq!(told(&known, ADA), told(&unknown, EVE));
    assert_eq!(app.deliver_mail().await.len(), 2);
}

#[tokio::test]
async fn where_nobody_signs_up_a_login_link_tells_as_little() {
    let app = TestApp::with(|options| options.settings.accounts.signup = false).await;
    app.user(ADA, json!({})).await;
    let known = ask(&app, "/login/link", &[("email", ADA)]).await;
    let unknown = ask(&app, "/login/link", &[("email", EVE)]).await;
    assert_eq!(told(&known, ADA), told(&unknown, EVE));
    let mails = app.deliver_mail().await;
    let to: Vec<_> = mails.iter().map(|mail| &*mail.to).collect();
    assert_eq!(to, [ADA]);
}

#[tokio::test]
async fn a_signup_with_a_taken_address_looks_like_any_other_where_addresses_must_be_proven() {
    let app = TestApp::with(|options| options.settings.accounts.require_verified_email = true).await;
    app.user(ADA, json!({})).await;
    let fields = |email| [("name", "Somebody"), ("email", email), ("password", NEW)];
    let known = ask(&app, "/signup", &fields(ADA)).await;
    let unknown = ask(&app, "/signup", &fields(EVE)).await;
    assert_eq!(known.status, 200);
    assert_eq!(told(&known, ADA), told(&unknown, EVE));
    // Only whoever reads the address learns which it was.
    let mails = app.deliver_mail().await;
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        let proves = mail.text.contains("/verify-email?token=");
        assert_eq!(proves, mail.to == EVE, "{}", mail.text);
        assert_eq!(mail.text.contains("/login"), mail.to == ADA, "{}", mail.text);
    }
    let eve = mails.iter().find(|mail| mail.to == EVE).expect("a mail");
    path_in(&app, &eve.text);
    // And Ada's account is what it was.
    let row = app.database.client().await;
    let row = row
        .query_one("SELECT name FROM users WHERE email = $1", &[&ADA])
        .await;
    assert_eq!(row.expect("Ada").get::<_, String>(0), "Ada Lovelace");
}

#[tokio::test]
async fn past_the_limit_of_mails_an_address_without_an_account_is_refused_as_well() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    for email in [ADA, EVE] {
        let mut jar = Jar::new(&app);
        for number in 0..4 {
            let page = jar.get("/forgot-password").await;
            let answer = jar.submit(&page, &[("email", email)]).await;
            let expected = if number < 3 { 200 } else { 429 };
            assert_eq!(answer.status, expected, "{email} {number}");
        }
    }
}

#[tokio::test]
async fn whoever_tries_many_links_is_told_to_wait_and_a_good_one_costs_nothing() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    ask(&app, "/forgot-password", &[("email", ADA)]).await;
    let good = link_to(&app, ADA).await;
    let mut jar = Jar::from_address(&app, "198.51.100.3");
    for _ in 0..31 {
        assert_eq!(jar.get(&good).await.status, 200);
    }
    let (mut guessed, last) = (good.clone(), if good.ends_with('A') { 'B' } else { 'A' });
    guessed.pop();
    guessed.push(last);
    for number in 0..30 {
        assert_eq!(jar.get(&guessed).await.status, 400, "{number}");
    }
    for link in [&guessed, &good] {
        assert_eq!(jar.get(link).await.status, 429, "{link}");
    }
    assert_eq!(Jar::new(&app).get(&good).await.status, 200, "for nobody else");
}
