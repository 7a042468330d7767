//! The pages: in, out, linking and unlinking, with an application that waits.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::pair::{Pair, session_of, set_out, sign_in, through};
use crate::support::app::PASSWORD;
use crate::support::browser::{Api, Browser, payload};
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";

#[tokio::test]
async fn a_stranger_signs_up_and_comes_again() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    let answer = sign_in(&mut jar, &ada).await;
    assert_eq!(answer.location().path(), "/account", "{answer:#?}");
    let session = session_of(&mut jar).await;
    assert_eq!(session["user"]["email"], ADA);
    assert_eq!(session["user"]["name"], "Ada Lovelace");
    assert_eq!(session["user"]["image"], "https://pictures.example/ada.png");
    // Nobody made the one above the authority for the address: whoever reads it must still show that.
    assert_eq!(session["user"]["emailVerified"], false);
    let mails = pair.below.deliver_mail().await;
    assert!(
        mails
            .iter()
            .any(|mail| mail.to == ADA && mail.text.contains("/verify-email?"))
    );

    let mut other = Jar::new(&pair.below);
    sign_in(&mut other, &ada).await;
    let again = session_of(&mut other).await;
    assert_eq!(again["user"]["id"], session["user"]["id"]);
    assert_eq!(pair.below.count("users").await, 1);
    assert_eq!(pair.below.count("identities").await, 1);
}

#[tokio::test]
async fn an_authority_for_the_address_proves_it() {
    let pair = Pair::with("authoritative_domains = [\"example.org\"]", |options| {
        options.settings.accounts.require_verified_email = true;
    })
    .await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    assert_eq!(session_of(&mut jar).await["user"]["emailVerified"], true);
    let eve = pair.person("eve@elsewhere.example").await;
    let mut jar = Jar::new(&pair.below);
    let answer = sign_in(&mut jar, &eve).await;
    assert!(
        answer.location().as_str().ends_with("why=unverified"),
        "{answer:#?}"
    );
    let page = jar.get(answer.location().as_str()).await;
    assert!(page.body.contains("must be confirmed first"), "{}", page.body);
    assert_eq!(session_of(&mut jar).await, Value::Null);
}

#[tokio::test]
async fn the_application_that_waits_gets_its_tokens_which_say_how_the_user_came() {
    let pair = Pair::start().await;
    pair.below.spa().await;
    let ada = pair.person(ADA).await;
    let url = Browser::new(&pair.below).authorize("spa", &[]);
    let mut jar = Jar::new(&pair.below);
    let opened = jar.get(&url).await;
    let page = jar.follow(opened).await;
    let url = set_out(&mut jar, &page).await;
    let back = through(&ada, &url).await;
    let answer = jar.get(back.as_str()).await;
    let answer = jar.follow(answer).await;
    let code = answer.callback()["code"].clone();
    let tokens = Api::new(&pair.below).redeem("spa", &code).await.json();
    let access = payload(tokens["access_token"].as_str().expect("a token"));
    assert_eq!(access["amr"], json!(["fed", "pwd"]));
    assert_eq!(access["acr"], "1");
    assert_eq!(access["iss"], pair.below.issuer);
    let id = payload(tokens["id_token"].as_str().expect("a token"));
    assert_eq!(id["amr"], json!(["fed", "pwd"]));
    assert_eq!(id["email"], ADA);
}

#[tokio::test]
async fn an_application_that_names_the_provider_or_its_domain_gets_no_choice_page() {
    let pair = Pair::with("allowed_domains = [\"example.org\"]", |_| {}).await;
    pair.below.spa().await;
    let browser = Browser::new(&pair.below);
    for further in [[("provider", "above")], [("login_hint", "somebody@example.org")]] {
        let mut jar = Jar::new(&pair.below);
        let opened = jar.get(&browser.authorize("spa", &further)).await;
        let answer = jar.follow(opened).await;
        let url = answer.location();
        assert!(url.as_str().starts_with(&pair.above.issuer), "{url}");
    }
    for further in [
        [("provider", "nobody")],
        [("login_hint", "somebody@elsewhere.example")],
    ] {
        let mut jar = Jar::new(&pair.below);
        let opened = jar.get(&browser.authorize("spa", &further)).await;
        let page = jar.follow(opened).await;
        assert_eq!(page.status, 200, "{page:#?}");
        assert!(page.body.contains("Continue with"), "{}", page.body);
    }
}

#[tokio::test]
async fn an_identity_is_linked_and_opens_the_account_and_is_unlinked_again() {
    let pair = Pair::start().await;
    let ada = pair.person("ada.elsewhere@example.com").await;
    pair.below.user(ADA, json!({})).await;
    let mut jar = Jar::new(&pair.below);
    jar.enter(ADA).await;
    let page = jar.get("/account/identities").await;
    let answer = jar.submit_to(&page, "/account/identities/add/above", &[]).await;
    let back = through(&ada, &answer.location()).await;
    let answer = jar.get(back.as_str()).await;
    assert_eq!(answer.location().query(), Some("done=linked"), "{answer:#?}");

    let mut other = Jar::new(&pair.below);
    sign_in(&mut other, &ada).await;
    assert_eq!(session_of(&mut other).await["user"]["email"], ADA);

    let page = jar.get("/account/identities").await;
    assert!(page.body.contains("ada.elsewhere@example.com"), "{}", page.body);
    let profile = form_ending(&page, "/profile");
    jar.submit_to(&page, &profile, &[]).await;
    let session = session_of(&mut jar).await;
    assert_eq!(session["user"]["image"], "https://pictures.example/ada.png");
    let remove = form_ending(&page, "/remove");
    let answer = jar.submit_to(&page, &remove, &[]).await;
    assert_eq!(answer.location().query(), Some("done=removed"));
    assert_eq!(pair.below.count("identities").await, 0);
}

fn form_ending(page: &crate::support::browser::Answer, end: &str) -> String {
    let forms = page.forms().into_iter().map(|(url, _)| url.path().to_owned());
    let mut found = forms.filter(|path| path.ends_with(end));
    found
        .next()
        .unwrap_or_else(|| panic!("no form to {end}: {page:#?}"))
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    let page = jar.get("/account/identities").await;
    assert!(!page.body.contains("/remove"), "{}", page.body);
    // Sent all the same, by a page of before.
    let client = pair.below.database.client().await;
    let row = client
        .query_one("SELECT id::text FROM identities", &[])
        .await
        .expect("one");
    let id: String = row.get(0);
    let csrf = page.forms()[0].1[0].1.clone();
    let path = format!("/account/identities/{id}/remove");
    let answer = jar.post(&path, &[("csrf", &csrf)]).await;
    assert_eq!(answer.location().query(), Some("done=last"), "{answer:#?}");
    assert_eq!(pair.below.count("identities").await, 1);
}

#[tokio::test]
async fn linking_needs_a_fresh_login_and_the_session_that_asked() {
    let pair = Pair::start().await;
    let ada = pair.person("ada.elsewhere@example.com").await;
    pair.below.user(ADA, json!({})).await;
    let mut jar = Jar::new(&pair.below);
    jar.enter(ADA).await;
    let page = jar.get("/account/identities").await;
    let answer = jar.submit_to(&page, "/account/identities/add/above", &[]).await;
    let back = through(&ada, &answer.location()).await;
    // Logged out and in again meanwhile: another session.
    let out = jar.get("/account").await;
    jar.submit_to(&out, "/logout", &[("logout", "yes")]).await;
    jar.enter(ADA).await;
    let answer = jar.get(back.as_str()).await;
    assert!(answer.location().as_str().ends_with("why=session"), "{answer:#?}");
    assert_eq!(pair.below.count("identities").await, 0);
    // The session that asked goes on, but not in this browser.
    let page = jar.get("/account/identities").await;
    let answer = jar.submit_to(&page, "/account/identities/add/above", &[]).await;
    let back = through(&ada, &answer.location()).await;
    let mut without = jar.clone();
    without
        .cookies
        .remove("better-auth.session_token")
        .expect("it is logged in");
    let answer = without.get(back.as_str()).await;
    assert!(answer.location().as_str().ends_with("why=session"), "{answer:#?}");
    assert!(jar.is_in().await);
    assert_eq!(pair.below.count("identities").await, 0);

    pair.below.advance(TimeDelta::days(2));
    let page = jar.get("/account/identities").await;
    let answer = jar.submit_to(&page, "/account/identities/add/above", &[]).await;
    assert_eq!(answer.location().path(), "/account/again", "{answer:#?}");
}

#[tokio::test]
async fn an_arrival_with_an_address_that_is_taken_joins_the_account_when_its_user_says_so() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    pair.below.user(ADA, json!({})).await;
    let mut jar = Jar::new(&pair.below);
    let answer = sign_in(&mut jar, &ada).await;
    let page = jar.get(answer.location().as_str()).await;
    assert!(
        page.body
            .contains("There is an account with your e-mail address already"),
        "{}",
        page.body
    );
    assert_eq!(pair.below.count("identities").await, 0);
    let answer = jar.submit(&page, &[("email", ADA), ("password", PASSWORD)]).await;
    let page = jar.get(answer.location().as_str()).await;
    assert!(page.body.contains("Connect Above?"), "{}", page.body);
    assert_eq!(pair.below.count("identities").await, 0);
    // Another browser with the address of the page sees nothing.
    let mut thief = Jar::new(&pair.below);
    pair.below.user("eve@example.org", json!({})).await;
    thief.enter("eve@example.org").await;
    let shown = thief.get(page.url.as_str()).await;
    assert_eq!(shown.status, 303);
    // Nor does one at which the arrival rests where another's should.
    let mut other = Jar::new(&pair.below);
    let login = other.get("/login").await;
    let url = set_out(&mut other, &login).await;
    let state_in = |url: &reqwest::Url| {
        let mut pairs = url.query_pairs();
        let state = pairs.find(|(name, _)| name == "state" || name == "join");
        state.expect("a state").1.into_owned()
    };
    pair.below
        .sql(
            "UPDATE federation_attempts SET arrival_sealed =
                (SELECT arrival_sealed FROM federation_attempts WHERE arrival_sealed IS NOT NULL)
            WHERE arrival_sealed IS NULL",
        )
        .await;
    other.enter("eve@example.org").await;
    let address = page.url.as_str().replace(&state_in(&page.url), &state_in(&url));
    assert_ne!(address, page.url.as_str());
    assert_eq!(other.get(&address).await.status, 303);
    let answer = jar.submit(&page, &[("answer", "yes")]).await;
    assert_eq!(answer.location().path(), "/account/identities", "{answer:#?}");
    assert_eq!(pair.below.count("identities").await, 1);
    // Once.
    jar.submit(&page, &[("answer", "yes")]).await;
    let mut other = Jar::new(&pair.below);
    sign_in(&mut other, &ada).await;
    assert_eq!(session_of(&mut other).await["user"]["email"], ADA);
}

#[tokio::test]
async fn a_logout_goes_on_to_the_provider_where_the_operator_wants_that() {
    let pair = Pair::with("logout = true\nstore_tokens = true", |_| {}).await;
    pair.below.spa().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    let page = jar.get("/account").await;
    let answer = jar.submit_to(&page, "/logout", &[("logout", "yes")]).await;
    let url = answer.location();
    assert!(
        url.as_str()
            .starts_with(&format!("{}/oauth2/logout?", pair.above.issuer)),
        "{url}"
    );
    let answer = ada.get(url.as_str()).await;
    let back = answer.location();
    assert!(
        back.as_str()
            .starts_with(&format!("{}/logout/returned?state=", pair.below.issuer)),
        "{back}"
    );
    assert_eq!(jar.get(back.as_str()).await.location().path(), "/logout");
    // The session above is over.
    let account = ada.get("/account").await;
    assert_eq!(account.location().path(), "/login");
    // What nobody sealed leads nowhere.
    let answer = jar.get("/logout/returned?state=e30.AAAA").await;
    assert_eq!(answer.location().path(), "/logout");
}

#[tokio::test]
async fn whoever_has_no_password_proves_again_who_they_are_at_the_provider() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    let before = session_of(&mut jar).await;
    pair.below.advance(TimeDelta::days(2));
    pair.above.advance(TimeDelta::days(2));
    let page = jar.get("/account/email").await;
    let page = jar.get(page.location().as_str()).await;
    assert_eq!(page.url.path(), "/account/again");
    let answer = jar.submit_to(&page, "/login/with/above", &[]).await;
    // The provider is asked not to take an old login for it.
    let url = answer.location();
    assert!(
        url.query_pairs()
            .any(|(name, value)| name == "prompt" && value == "login"),
        "{url}"
    );
    // Whoever takes that out of the address, in a browser that is still logged in there, has proven nothing.
    let mut silent = url.clone();
    let kept = url
        .query_pairs()
        .filter(|(name, _)| !matches!(&**name, "prompt" | "max_age"));
    silent.query_pairs_mut().clear().extend_pairs(kept).finish();
    let back = through(&ada, &silent).await;
    let answer = jar.get(back.as_str()).await;
    let refused = answer.location();
    assert_eq!(refused.path(), "/account/again", "{answer:#?}");
    assert!(
        refused.query().is_some_and(|query| query.contains("why=old")),
        "{refused}"
    );
    let page = jar.get(refused.as_str()).await;
    assert!(page.body.contains("once more"), "{page:#?}");
    assert_eq!(jar.get("/account/email").await.status, 303, "it stays closed");

    let url = set_out(&mut jar, &page).await;
    let page = ada.open(url.as_str()).await;
    let back = ada.log_in(&page, ADA).await.location();
    let answer = jar.get(back.as_str()).await;
    assert_eq!(answer.location().path(), "/account/email", "{answer:#?}");
    assert_eq!(jar.get("/account/email").await.status, 200);
    let after = session_of(&mut jar).await;
    assert_eq!(
        after["session"]["id"], before["session"]["id"],
        "the session stays what it is"
    );
}
