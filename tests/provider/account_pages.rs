//! The pages of an account, form by form and link by link: what each refuses, how long each link lives, and what nobody
//! learns from an answer. That a user gets through all of them, a real browser shows elsewhere.

mod links;
mod members;
mod pending;
mod refusals;
mod strangers;

use crate::support::app::TestApp;
use crate::support::browser::Answer;
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";
const NEW: &str = "wooden-spoon lantern meadow 9";

/// An app that counts nothing, for tests that try much.
async fn unlimited() -> TestApp {
    TestApp::with(|options| options.settings.rate_limits = false).await
}

/// Ada's browser, logged in.
async fn ada(app: &TestApp) -> Jar {
    let mut jar = Jar::new(app);
    jar.enter(ADA).await;
    jar
}

/// The path of the link in the one mail that has just been sent to `email`.
async fn link_to(app: &TestApp, email: &str) -> String {
    let mails = app.deliver_mail().await;
    let mut mails = mails.iter().filter(|mail| mail.to == email);
    let mail = mails.next().expect("a mail");
    assert_eq!(mails.next(), None, "one mail alone");
    path_in(app, &mail.text)
}

/// The path of the link with a token in the text of a mail.
fn path_in(app: &TestApp, text: &str) -> String {
    let mut words = text.split_whitespace();
    let link = words.find(|word| word.contains("token=signet_ml_"));
    let path = link.expect("a link").strip_prefix(&*app.issuer);
    path.expect("a link to the issuer").to_owned()
}

/// The token in the path of a link.
fn token_of(path: &str) -> &str {
    let token = path
        .split(['?', '&'])
        .find_map(|part| part.strip_prefix("token="));
    token.expect("a token")
}

/// All that is stored of users, sessions, links, identities and consents, and of mail that is to be sent, as one value
/// to compare. When a session was used last is no change.
async fn stored(app: &TestApp) -> String {
    let client = app.database.client().await;
    let mut all = String::new();
    for (table, what) in [
        ("users", "t"),
        ("sessions", "(id, user_id, epoch, auth_time, ended_at)"),
        ("mailed_links", "t"),
        ("outgoing_mails", "t"),
        ("identities", "t"),
        ("consents", "t"),
    ] {
        let rows = format!(
            "SELECT coalesce(string_agg({what}::text, E'\n' ORDER BY {what}::text), '') FROM {table} t"
        );
        let row = client.query_one(&rows, &[]).await.expect("read");
        all.push_str(&row.get::<_, String>(0));
        all.push('\n');
    }
    all
}

/// What stands in the CSRF field of the first form of a page.
async fn csrf(jar: &mut Jar, page: &str) -> String {
    let page = jar.get(page).await;
    let (_, hidden) = page.form();
    let field = hidden.into_iter().find(|(name, _)| name == "csrf");
    field.unwrap_or_else(|| panic!("no CSRF field: {page:#?}")).1
}

fn is_dead(page: &Answer) -> bool {
    page.body.contains("<h1>This link does not work</h1>")
}
