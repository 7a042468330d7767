//! The endpoints of the Better Auth protocol, row by row (reference §10 and §7.7).

use chrono::TimeDelta;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::pair::{Pair, session_of, through};
use crate::support::app::TestApp;
use crate::support::browser::{Answer, Browser};
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";
const APP: &str = "https://shop.example";

/// A page of the application, on an origin that is trusted.
struct Page {
    jar: Jar,
}

impl Page {
    fn new(app: &TestApp) -> Self {
        Self { jar: Jar::new(app) }
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json"), ("origin", APP)];
        let path = format!("/api/auth{path}");
        self.jar
            .send(Method::POST, &path, &headers, Some(body.to_string()))
            .await
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.jar.get(&format!("/api/auth{path}")).await
    }

    /// Sets out, and comes back through the one above.
    async fn arrive(&mut self, path: &str, more: Value, browser: &Browser) -> Answer {
        let back = self.back(path, more, browser).await;
        self.jar.get(back.as_str()).await
    }

    async fn back(&mut self, path: &str, more: Value, browser: &Browser) -> Url {
        let answer = self.post(path, asked(more)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        through(browser, &url_of(&answer)).await
    }
}

fn asked(more: Value) -> Value {
    let mut body = json!({
        "provider": "above", "callbackURL": format!("{APP}/in"), "errorCallbackURL": format!("{APP}/failed?x=1"),
        "newUserCallbackURL": format!("{APP}/welcome"),
    });
    for (name, value) in more.as_object().expect("an object") {
        body[name] = value.clone();
    }
    body
}

fn url_of(answer: &Answer) -> Url {
    answer.json()["url"]
        .as_str()
        .expect("an address")
        .parse()
        .expect("an address")
}

fn error_of(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), code)
}

async fn pair(entry: &str) -> Pair {
    Pair::with(entry, |options| {
        options.site.better_auth.trusted_origins = vec![APP.to_owned()];
        options.settings.rate_limits = false;
    })
    .await
}

#[tokio::test]
async fn setting_out_answers_with_the_address_above() {
    let pair = pair("").await;
    let mut page = Page::new(&pair.below);
    let more =
        json!({"scopes": ["offline_access"], "loginHint": ADA, "additionalParams": {"ui_locales": "de"}});
    let answer = page.post("/sign-in/social", asked(more)).await;
    assert_eq!(answer.json()["redirect"], true);
    let url = url_of(&answer);
    assert_eq!(answer.header("location"), Some(url.as_str()));
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["response_type"], "code");
    assert_eq!(query["client_id"], super::pair::CLIENT);
    assert_eq!(
        query["redirect_uri"],
        format!("{}/api/auth/callback/above", pair.below.issuer)
    );
    assert_eq!(query["code_challenge_method"], "S256");
    assert_eq!(query["login_hint"], ADA);
    assert_eq!(query["ui_locales"], "de");
    assert!(
        query["scope"].starts_with("openid ") && query["scope"].contains("offline_access"),
        "{query:?}"
    );
    assert!(query.contains_key("nonce") && query.contains_key("state"));
    let answer = page
        .post("/sign-in/social", asked(json!({"disableRedirect": true})))
        .await;
    assert_eq!(answer.json()["redirect"], false);
    assert_eq!(answer.header("location"), None);

    for (more, expected) in [
        (json!({"provider": "nobody"}), (404, "PROVIDER_NOT_FOUND")),
        (
            json!({"additionalParams": {"redirect_uri": "https://evil.example"}}),
            (400, "VALIDATION_ERROR"),
        ),
        (json!({"additionalParams": {"x": 1}}), (400, "VALIDATION_ERROR")),
        (json!({"scopes": "openid"}), (400, "VALIDATION_ERROR")),
        (json!({"provider": 1}), (400, "VALIDATION_ERROR")),
        (
            json!({"callbackURL": "https://evil.example/"}),
            (403, "INVALID_CALLBACK_URL"),
        ),
        (
            json!({"errorCallbackURL": "//evil.example/"}),
            (403, "INVALID_ERROR_CALLBACK_URL"),
        ),
        (
            json!({"newUserCallbackURL": "javascript:alert(1)"}),
            (403, "INVALID_NEW_USER_CALLBACK_URL"),
        ),
    ] {
        let answer = page.post("/sign-in/social", asked(more.clone())).await;
        assert_eq!(error_of(&answer), (expected.0, expected.1.to_owned()), "{more}");
    }
}

#[tokio::test]
async fn newcomers_and_those_who_come_again_land_where_the_page_said() {
    let pair = pair("").await;
    let ada = pair.person(ADA).await;
    let mut page = Page::new(&pair.below);
    let answer = page.arrive("/sign-in/social", json!({}), &ada).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("location"), Some(&*format!("{APP}/welcome")));
    assert!(answer.header("set-auth-token").is_some());
    assert_eq!(session_of(&mut page.jar).await["user"]["email"], ADA);
    let mut page = Page::new(&pair.below);
    let answer = page.arrive("/sign-in/social", json!({}), &ada).await;
    assert_eq!(answer.header("location"), Some(&*format!("{APP}/in")));
    assert_eq!(pair.below.count("users").await, 1);
}

#[tokio::test]
async fn what_fails_is_told_where_the_page_said() {
    let pair = pair("").await;
    let ada = pair.person(ADA).await;
    let failed = |code: &str| format!("{APP}/failed?x=1&error={code}");
    // The provider's own word, and its description.
    let mut page = Page::new(&pair.below);
    let answer = page.post("/sign-in/social", asked(json!({}))).await;
    let state = url_of(&answer)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("one")
        .1
        .into_owned();
    let answer = page
        .get(&format!(
            "/callback/above?state={state}&error=access_denied&error_description=No%22way"
        ))
        .await;
    let expected = format!("{}&error_description=Noway", failed("access_denied"));
    assert_eq!(answer.header("location"), Some(&*expected));

    let answer = page.post("/sign-in/social", asked(json!({}))).await;
    let state = url_of(&answer)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("one")
        .1
        .into_owned();
    let other = Page::new(&pair.below)
        .get(&format!("/callback/above?state={state}&code=x"))
        .await;
    assert_eq!(other.header("location"), Some(&*failed("state_mismatch")));
    let answer = page.get(&format!("/callback/above?state={state}")).await;
    assert_eq!(answer.header("location"), Some(&*failed("no_code")));

    let answer = page.post("/sign-in/social", asked(json!({}))).await;
    let state = url_of(&answer)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("one")
        .1
        .into_owned();
    let answer = page
        .get(&format!(
            "/callback/above?state={state}&code=nonsense&iss={}",
            pair.above.issuer
        ))
        .await;
    assert_eq!(answer.header("location"), Some(&*failed("invalid_code")));

    let answer = page.post("/sign-in/social", asked(json!({}))).await;
    let state = url_of(&answer)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("one")
        .1
        .into_owned();
    let answer = page
        .get(&format!(
            "/callback/above?state={state}&code=x&iss=https://evil.example"
        ))
        .await;
    assert_eq!(answer.header("location"), Some(&*failed("issuer_mismatch")));

    // Somebody has the address.
    pair.below.user(ADA, json!({})).await;
    let mut page = Page::new(&pair.below);
    let answer = page.arrive("/sign-in/social", json!({}), &ada).await;
    assert_eq!(answer.header("location"), Some(&*failed("account_not_linked")));
    assert_eq!(session_of(&mut page.jar).await, Value::Null);

    // Without an address for errors, our own page.
    let answer = page
        .arrive("/sign-in/social", json!({"errorCallbackURL": ""}), &ada)
        .await;
    let own = format!("{}/api/auth/error?error=account_not_linked", pair.below.issuer);
    assert_eq!(answer.header("location"), Some(&*own));

    // A provider that is not configured any more.
    let answer = page.post("/sign-in/social", asked(json!({}))).await;
    let state = url_of(&answer)
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("one")
        .1
        .into_owned();
    let node = pair.below.second_node().await;
    let mut without = Page::new(&node);
    without.jar.cookies = page.jar.cookies.clone();
    let answer = without
        .get(&format!("/callback/above?state={state}&code=x"))
        .await;
    assert_eq!(
        answer.header("location"),
        Some(&*failed("oauth_provider_not_found"))
    );
}

#[tokio::test]
async fn signup_and_verification_are_the_operators_to_decide() {
    for (entry, verified, code) in [
        ("signup = false", false, "signup_disabled"),
        ("", true, "email_not_verified"),
        (
            "allowed_domains = [\"example.com\"]",
            false,
            "email_domain_not_allowed",
        ),
    ] {
        let pair = Pair::with(entry, |options| {
            options.site.better_auth.trusted_origins = vec![APP.to_owned()];
            options.settings.accounts.require_verified_email = verified;
        })
        .await;
        let ada = pair.person(ADA).await;
        for times in ["for the first time", "again"] {
            let mut page = Page::new(&pair.below);
            let answer = page.arrive("/sign-in/social", json!({}), &ada).await;
            assert_eq!(
                answer.header("location"),
                Some(&*format!("{APP}/failed?x=1&error={code}")),
                "{times}"
            );
            assert_eq!(page.get("/get-session").await.json(), Value::Null, "{times}");
        }
    }
}

async fn member(pair: &Pair) -> Page {
    pair.below.user(ADA, json!({})).await;
    let mut page = Page::new(&pair.below);
    page.jar.enter(ADA).await;
    page
}

#[tokio::test]
async fn an_identity_is_linked_and_listed_and_unlinked() {
    let pair = pair("store_tokens = true").await;
    let ada = pair.person(ADA).await;
    let mut page = member(&pair).await;
    let before = page.jar.cookies.clone();
    let answer = page.arrive("/link-social", json!({}), &ada).await;
    assert_eq!(answer.header("location"), Some(&*format!("{APP}/in")));
    assert_eq!(page.jar.cookies, before, "no new session");
    // Once more is no harm.
    let answer = page.arrive("/link-social", json!({}), &ada).await;
    assert_eq!(answer.header("location"), Some(&*format!("{APP}/in")));

    let accounts = page.get("/list-accounts").await.json();
    let accounts = accounts.as_array().expect("a list");
    assert_eq!(accounts.len(), 2);
    let linked = accounts
        .iter()
        .find(|account| account["providerId"] == "above")
        .expect("it is there");
    assert!(
        linked["scopes"]
            .as_array()
            .expect("a list")
            .contains(&json!("openid")),
        "{linked}"
    );
    assert_ne!(linked["id"], linked["accountId"]);

    let answer = page
        .post(
            "/unlink-account",
            json!({"accountId": "00000000-0000-4000-8000-000000000000"}),
        )
        .await;
    assert_eq!(error_of(&answer), (400, "ACCOUNT_NOT_FOUND".to_owned()));
    let answer = page
        .post("/unlink-account", json!({"accountId": linked["id"]}))
        .await;
    assert_eq!(answer.json(), json!({"status": true}));
    let credential = page.get("/list-accounts").await.json()[0]["id"].clone();
    let answer = page
        .post("/unlink-account", json!({"accountId": credential}))
        .await;
    assert_eq!(
        error_of(&answer),
        (400, "FAILED_TO_UNLINK_LAST_ACCOUNT".to_owned())
    );

    // The password goes too, where something else is left.
    page.arrive("/link-social", json!({}), &ada).await;
    let answer = page
        .post("/unlink-account", json!({"accountId": credential}))
        .await;
    assert_eq!(answer.json(), json!({"status": true}));
    let left = page.get("/list-accounts").await.json();
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    let answer = page
        .post("/unlink-account", json!({"accountId": left[0]["id"]}))
        .await;
    assert_eq!(
        error_of(&answer),
        (400, "FAILED_TO_UNLINK_LAST_ACCOUNT".to_owned())
    );

    pair.below.advance(TimeDelta::days(2));
    let answer = page.post("/link-social", asked(json!({}))).await;
    assert_eq!(error_of(&answer), (403, "SESSION_NOT_FRESH".to_owned()));
    let answer = Page::new(&pair.below)
        .post("/link-social", asked(json!({})))
        .await;
    assert_eq!(error_of(&answer), (401, "UNAUTHORIZED".to_owned()));
}

#[tokio::test]
async fn linking_keeps_to_the_accounts_own_verified_address() {
    let pair = pair("").await;
    let failed = |code: &str| format!("{APP}/failed?x=1&error={code}");
    let other = pair.person("other@example.org").await;
    let mut page = member(&pair).await;
    let answer = page.arrive("/link-social", json!({}), &other).await;
    assert_eq!(answer.header("location"), Some(&*failed("email_does_not_match")));
    let ada = pair.person(ADA).await;
    pair.above.sql("UPDATE users SET email_verified = false").await;
    let answer = page.arrive("/link-social", json!({}), &ada).await;
    assert_eq!(
        answer.header("location"),
        Some(&*failed("unable_to_link_account"))
    );
    pair.above.sql("UPDATE users SET email_verified = true").await;
    // The session that asked has ended.
    let back = page.back("/link-social", json!({}), &ada).await;
    page.post("/sign-out", json!({})).await;
    let answer = page.jar.get(back.as_str()).await;
    assert_eq!(
        answer.header("location"),
        Some(&*failed("unable_to_link_account"))
    );
    // Somebody has the identity.
    let mut stranger = Page::new(&pair.below);
    stranger.arrive("/sign-in/social", json!({}), &other).await;
    assert_eq!(pair.below.count("identities").await, 1);
    pair.below.sql("UPDATE users SET email = 'moved@example.org', email_key = 'moved@example.org' WHERE email_key = 'other@example.org'").await;
    pair.below.sql("UPDATE users SET email = 'other@example.org', email_key = 'other@example.org' WHERE email_key = 'ada@example.org'").await;
    let mut page = Page::new(&pair.below);
    page.jar.enter("other@example.org").await;
    let answer = page.arrive("/link-social", json!({}), &other).await;
    assert_eq!(
        answer.header("location"),
        Some(&*failed("account_already_linked_to_different_user"))
    );
}

#[tokio::test]
async fn other_addresses_are_linked_where_the_operator_allows_it() {
    let pair = Pair::with("", |options| {
        options.site.better_auth.trusted_origins = vec![APP.to_owned()];
        options.settings.accounts.links_other_addresses = true;
    })
    .await;
    let other = pair.person("other@example.org").await;
    let mut page = member(&pair).await;
    let answer = page.arrive("/link-social", json!({}), &other).await;
    assert_eq!(answer.header("location"), Some(&*format!("{APP}/in")));
}

#[tokio::test]
async fn kept_tokens_are_handed_out_renewed_and_asked_with() {
    let pair =
        pair("store_tokens = true\nscopes = [\"openid\", \"profile\", \"email\", \"offline_access\"]").await;
    let ada = pair.person(ADA).await;
    let mut page = Page::new(&pair.below);
    page.arrive("/sign-in/social", json!({}), &ada).await;
    let account = page.get("/list-accounts").await.json()[0].clone();
    let named = json!({"accountId": account["id"]});
    let tokens = page.post("/get-access-token", named.clone()).await.json();
    let first = tokens["accessToken"].as_str().expect("a token").to_owned();
    assert!(
        tokens["accessTokenExpiresAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z') && at.len() == 24),
        "{tokens}"
    );
    assert!(tokens["idToken"].is_string());
    assert!(
        tokens["scopes"]
            .as_array()
            .expect("a list")
            .contains(&json!("openid"))
    );
    // Nothing of it rests in the clear.
    let rest = pair.below.database.client().await;
    let row = rest
        .query_one("SELECT tokens_sealed FROM identities", &[])
        .await
        .expect("one");
    let sealed: String = row.get(0);
    assert!(!sealed.contains(&first));

    let info = page
        .get(&format!(
            "/account-info?accountId={}",
            account["id"].as_str().expect("an id")
        ))
        .await
        .json();
    assert_eq!(info["user"]["email"], ADA);
    assert_eq!(info["data"]["email"], ADA);
    assert_eq!(info["account"]["providerId"], "above");
    assert_eq!(info["account"]["accountId"], account["accountId"]);

    let renewed = page.post("/refresh-token", named.clone()).await.json();
    assert_ne!(renewed["accessToken"], json!(first));
    assert_eq!(renewed["accountId"], account["id"]);
    assert_eq!(renewed["providerId"], "above");
    assert!(
        renewed["scope"]
            .as_str()
            .is_some_and(|scope| scope.contains("openid,")),
        "{renewed}"
    );
    assert!(renewed["refreshToken"].is_string());
    // About to expire: renewed by itself.
    pair.below.advance(TimeDelta::minutes(11));
    pair.above.advance(TimeDelta::minutes(11));
    let again = page.post("/get-access-token", named.clone()).await.json();
    assert_ne!(again["accessToken"], renewed["accessToken"]);

    for (body, expected) in [
        (json!({"accountId": "x"}), "ACCOUNT_NOT_FOUND"),
        (json!({"useAccountCookie": true}), "ACCOUNT_NOT_FOUND"),
        (json!({}), "VALIDATION_ERROR"),
        (json!({"accountId": "x", "more": 1}), "VALIDATION_ERROR"),
    ] {
        for path in ["/get-access-token", "/refresh-token"] {
            let answer = page.post(path, body.clone()).await;
            assert_eq!(error_of(&answer), (400, expected.to_owned()), "{path} {body}");
        }
    }
    let answer = Page::new(&pair.below)
        .post("/get-access-token", named.clone())
        .await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (401, ""));
    // The provider takes the tokens back.
    pair.above.sql("UPDATE users SET epoch = epoch + 1").await;
    pair.below.advance(TimeDelta::minutes(11));
    pair.above.advance(TimeDelta::minutes(11));
    let answer = page.post("/get-access-token", named.clone()).await;
    assert_eq!(error_of(&answer), (400, "FAILED_TO_GET_ACCESS_TOKEN".to_owned()));
    let answer = page.post("/refresh-token", named).await;
    assert_eq!(
        error_of(&answer),
        (400, "FAILED_TO_REFRESH_ACCESS_TOKEN".to_owned())
    );
}

#[tokio::test]
async fn tokens_that_are_not_kept_are_not_handed_out() {
    let pair = pair("").await;
    let ada = pair.person(ADA).await;
    let mut page = Page::new(&pair.below);
    page.arrive("/sign-in/social", json!({}), &ada).await;
    let account = page.get("/list-accounts").await.json()[0].clone();
    assert_eq!(account["scopes"], json!([]));
    let named = json!({"accountId": account["id"]});
    let answer = page.post("/get-access-token", named.clone()).await;
    assert_eq!(error_of(&answer), (400, "FAILED_TO_GET_ACCESS_TOKEN".to_owned()));
    let answer = page.post("/refresh-token", named.clone()).await;
    assert_eq!(error_of(&answer), (400, "REFRESH_TOKEN_NOT_FOUND".to_owned()));
    let id = account["id"].as_str().expect("an id");
    let answer = page.get(&format!("/account-info?accountId={id}")).await;
    assert_eq!(error_of(&answer), (400, "ACCESS_TOKEN_NOT_FOUND".to_owned()));
    // Neither the password nor a provider that is gone has any.
    let node = pair.below.second_node().await;
    let mut without = Page::new(&node);
    without.jar.cookies = page.jar.cookies.clone();
    for path in ["/get-access-token", "/refresh-token"] {
        let answer = without.post(path, named.clone()).await;
        assert_eq!(
            answer.status, 403,
            "its origin is not trusted there: {}",
            answer.body
        );
    }
    let answer = without.get(&format!("/account-info?accountId={id}")).await;
    assert_eq!(error_of(&answer), (400, "PROVIDER_NOT_CONFIGURED".to_owned()));
}

/// An ID token of the one above for the one below, as an application would get it.
async fn id_token(pair: &Pair, email: &str) -> String {
    let ada = pair.person(email).await;
    let mut page = Page::new(&pair.below);
    page.arrive("/sign-in/social", json!({}), &ada).await;
    let account = page.get("/list-accounts").await.json()[0].clone();
    let tokens = page
        .post("/get-access-token", json!({"accountId": account["id"]}))
        .await
        .json();
    tokens["idToken"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn an_id_token_that_the_application_has_signs_in_once() {
    let pair = pair("store_tokens = true").await;
    let token = id_token(&pair, ADA).await;
    let given = |token: &str| json!({"provider": "above", "idToken": {"token": token}});
    let mut page = Page::new(&pair.below);
    let answer = page.post("/sign-in/social", given(&token)).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let body = answer.json();
    assert_eq!(body["redirect"], false);
    assert_eq!(body["user"]["email"], ADA);
    assert!(body["token"].is_string());
    assert_eq!(session_of(&mut page.jar).await["user"]["email"], ADA);
    let answer = Page::new(&pair.below)
        .post("/sign-in/social", given(&token))
        .await;
    assert_eq!(error_of(&answer), (401, "INVALID_TOKEN".to_owned()), "once");

    let other = id_token(&pair, "other@example.org").await;
    for body in [
        given(&format!("{}x", other)),
        given("none"),
        json!({"provider": "above", "idToken": {"token": other, "nonce": "another"}}),
    ] {
        let answer = Page::new(&pair.below).post("/sign-in/social", body).await;
        assert_eq!(error_of(&answer), (401, "INVALID_TOKEN".to_owned()));
    }
    let answer = Page::new(&pair.below)
        .post("/sign-in/social", json!({"provider": "above", "idToken": {}}))
        .await;
    assert_eq!(error_of(&answer), (400, "VALIDATION_ERROR".to_owned()));
    // An hour later it is too old.
    pair.below.advance(TimeDelta::minutes(61));
    let answer = Page::new(&pair.below)
        .post("/sign-in/social", given(&other))
        .await;
    assert_eq!(error_of(&answer), (401, "INVALID_TOKEN".to_owned()));
}

#[tokio::test]
async fn an_id_token_links_and_takes_no_ones_address() {
    let pair = pair("store_tokens = true").await;
    let token = id_token(&pair, "other@example.org").await;
    // As if that account were another's: the identity is gone, the address is not.
    pair.below.sql("DELETE FROM identities").await;
    let given = json!({"provider": "above", "idToken": {"token": token}});
    let answer = Page::new(&pair.below)
        .post("/sign-in/social", given.clone())
        .await;
    assert_eq!(error_of(&answer), (401, "OAUTH_LINK_ERROR".to_owned()));
    assert_eq!(answer.json()["message"], "account not linked");

    let mut page = member(&pair).await;
    let token = id_token(&pair, "third@example.org").await;
    let answer = page
        .post(
            "/link-social",
            json!({"provider": "above", "idToken": {"token": token}}),
        )
        .await;
    assert_eq!(
        error_of(&answer),
        (401, "LINKING_DIFFERENT_EMAILS_NOT_ALLOWED".to_owned())
    );
}
