//! The cookies: their names and attributes to the letter, and every value that must not be believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::support::app::{Options, TestApp};
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";
const SESSION: &str = "better-auth.session_token";
const SECURE_SESSION: &str = "__Secure-better-auth.session_token";
const BIND: &str = "__Host-signet.bind";

async fn with_ada(change: impl FnOnce(&mut Options)) -> TestApp {
    let app = TestApp::with(change).await;
    app.user(ADA, json!({})).await;
    app
}

fn on_https(options: &mut Options) {
    options.issuer = Some("https://id.example".to_owned());
}

/// The lines, with each value that is random replaced by `V`.
fn shape(lines: &[&str]) -> Vec<String> {
    lines
        .iter()
        .map(|line| {
            let (name, rest) = line.split_once('=').expect("a cookie has a name");
            let (value, attributes) = rest.split_once("; ").expect("a cookie has attributes");
            let value = if value.is_empty() { "" } else { "V" };
            format!("{name}={value}; {attributes}")
        })
        .collect()
}

#[tokio::test]
async fn on_http_the_cookies_are_plain_but_not_for_scripts_or_other_sites() {
    let app = with_ada(|_| ()).await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;
    assert_eq!(
        shape(&page.set_cookies()),
        ["signet.browser=V; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax"]
    );
    let answer = jar.enter(ADA).await;
    assert_eq!(
        shape(&answer.set_cookies()),
        [
            "better-auth.session_token=V; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax",
            "signet.device=V; Max-Age=15552000; Path=/; HttpOnly; SameSite=Lax",
        ]
    );
    assert_eq!(answer.header("strict-transport-security"), None);
    let page = jar.get("/logout").await;
    let answer = jar.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(
        answer.set_cookies(),
        ["better-auth.session_token=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"]
    );
}

#[tokio::test]
async fn on_https_the_cookies_have_the_prefixes_that_browsers_enforce() {
    let app = with_ada(on_https).await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;
    assert_eq!(
        shape(&page.set_cookies()),
        ["__Host-signet.browser=V; Max-Age=2592000; Path=/; HttpOnly; Secure; SameSite=Lax"]
    );
    let answer = jar.enter(ADA).await;
    assert_eq!(
        shape(&answer.set_cookies()),
        [
            "__Secure-better-auth.session_token=V; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax",
            "__Host-signet.bind=V; Max-Age=604800; Path=/; HttpOnly; Secure; SameSite=Lax",
            "__Host-signet.device=V; Max-Age=15552000; Path=/; HttpOnly; Secure; SameSite=Lax",
        ]
    );
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    let page = jar.get("/logout").await;
    let answer = jar.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(
        answer.set_cookies(),
        [
            "__Secure-better-auth.session_token=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax",
            "__Host-signet.bind=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax",
        ]
    );
}

#[tokio::test]
async fn a_cookie_for_a_whole_domain_has_no_second_one() {
    let app = with_ada(|options| {
        on_https(options);
        options.site.cookie_domain = Some("example".to_owned());
        options.site.cookie_prefix = "acme".to_owned();
    })
    .await;
    let mut jar = Jar::new(&app);
    let answer = jar.enter(ADA).await;
    assert_eq!(
        shape(&answer.set_cookies())[0],
        "__Secure-acme.session_token=V; Max-Age=604800; Domain=example; Path=/; HttpOnly; Secure; SameSite=Lax"
    );
    assert!(!jar.cookies.contains_key(BIND));
    assert!(jar.is_in().await);
    let page = jar.get("/logout").await;
    let answer = jar.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(
        answer.set_cookies(),
        ["__Secure-acme.session_token=; Max-Age=0; Domain=example; Path=/; HttpOnly; Secure; SameSite=Lax"]
    );
    assert!(!jar.is_in().await);
}

#[tokio::test]
async fn on_https_a_session_is_worth_nothing_without_the_cookie_that_binds_it_to_the_host() {
    let app = with_ada(on_https).await;
    app.user("eve@example.org", json!({})).await;
    let client = app.spa().await;
    let mut jar = Jar::new(&app);
    jar.enter(ADA).await;
    let mut of_eve = Jar::new(&app);
    of_eve.enter("eve@example.org").await;
    let authorize = format!(
        "/oauth2/authorize?client_id={client}&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback\
         &response_type=code&scope=openid&prompt=none&code_challenge_method=S256&code_challenge={}",
        crate::support::browser::challenge()
    );
    let code = jar.get(&authorize).await.callback();
    assert!(code.contains_key("code"), "{code:?}");

    // A sibling subdomain can plant this one,
    let mut planted = Jar::new(&app);
    planted
        .cookies
        .insert(SECURE_SESSION.into(), of_eve.cookies[SECURE_SESSION].clone());
    assert!(!planted.is_in().await);
    let refused = planted.get(&authorize).await.callback();
    assert_eq!(refused["error"], "login_required");
    // also over a session that is there: then the two do not belong together.
    let mut mixed = jar.clone();
    mixed
        .cookies
        .insert(SECURE_SESSION.into(), of_eve.cookies[SECURE_SESSION].clone());
    assert!(!mixed.is_in().await);
    for bind in [
        "",
        "AAAA",
        &format!("{}=", jar.cookies[BIND]),
        &jar.cookies[BIND][1..],
    ] {
        let mut wrong = jar.clone();
        wrong.cookies.insert(BIND.into(), bind.to_owned());
        assert!(!wrong.is_in().await, "{bind}");
    }
    // Nor do the names of plain http count here.
    let mut plain = Jar::new(&app);
    plain
        .cookies
        .insert(SESSION.into(), jar.cookies[SECURE_SESSION].clone());
    plain.cookies.insert(BIND.into(), jar.cookies[BIND].clone());
    assert!(!plain.is_in().await);
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn a_planted_browser_token_is_not_ours_on_https() {
    let app = with_ada(on_https).await;
    let mut eve = Jar::new(&app);
    eve.get("/login").await;
    let token = eve.cookies["__Host-signet.browser"].clone();
    let mut victim = Jar::new(&app);
    victim.cookies.insert("signet.browser".into(), token.clone());
    victim
        .cookies
        .insert("__Secure-signet.browser".into(), token.clone());
    victim.get("/login").await;
    assert_ne!(victim.cookies["__Host-signet.browser"], token);
}

/// Whether a request with exactly this `Cookie` header, or headers, is a user's.
async fn is_in(app: &TestApp, headers: &[&str]) -> bool {
    let mut request = reqwest::Client::builder()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
        .get(format!("{}/account", app.url))
        .header("accept", "text/html");
    for header in headers {
        let value = reqwest::header::HeaderValue::from_bytes(header.as_bytes());
        request = request.header("cookie", value.expect("a header's value"));
    }
    let status = request.send().await.expect("an answer").status();
    assert!(matches!(status.as_u16(), 200 | 303), "{status}");
    status == 200
}

#[tokio::test]
async fn two_session_cookies_are_no_session_unless_they_are_the_same() {
    let app = with_ada(|_| ()).await;
    app.user("eve@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    jar.enter(ADA).await;
    let mut of_eve = Jar::new(&app);
    of_eve.enter("eve@example.org").await;
    let (one, other) = (&jar.cookies[SESSION], &of_eve.cookies[SESSION]);
    assert!(is_in(&app, &[&format!("{SESSION}={one}")]).await);
    assert!(is_in(&app, &[&format!("{SESSION}={one}; a=b;{SESSION}={one}")]).await);
    for wrong in [other.as_str(), "", "x"] {
        for (first, second) in [(one.as_str(), wrong), (wrong, one)] {
            let both = format!("{SESSION}={first}; {SESSION}={second}");
            assert!(!is_in(&app, &[&both]).await, "{both}");
            let (first, second) = (format!("{SESSION}={first}"), format!("{SESSION}={second}"));
            assert!(!is_in(&app, &[&first, &second]).await, "in two headers");
        }
    }
}

#[tokio::test]
async fn a_session_cookie_is_read_encoded_or_raw_and_in_no_other_spelling() {
    let app = with_ada(|_| ()).await;
    let mut jar = Jar::new(&app);
    jar.enter(ADA).await;
    let encoded = jar.cookies[SESSION].clone();
    let raw = percent_decode_str(&encoded)
        .decode_utf8()
        .expect("text")
        .into_owned();
    assert!(encoded.ends_with("%3D") && raw.ends_with('='));
    let (token, mac) = raw.split_once('.').expect("two parts");
    assert!(token.starts_with("signet_st_") && mac.len() == 44);
    let every: String = raw.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for good in [&encoded, &raw, &every] {
        assert!(is_in(&app, &[&format!("{SESSION}={good}")]).await, "{good}");
        // What other applications of the host set does not hide it.
        let beside = format!("x=é; théâtre=1; {SESSION}={good}; =; y; __proto__=1");
        assert!(is_in(&app, &[&beside]).await, "{beside}");
    }
    let unpadded = raw.trim_end_matches('=');
    let url_safe = format!("{token}.{}", mac.replace('+', "-").replace('/', "_"));
    let id = URL_SAFE_NO_PAD
        .decode(token.trim_start_matches("signet_st_"))
        .expect("base64url");
    let other_id = {
        let mut id = id.clone();
        id[0] ^= 1;
        format!("signet_st_{}.{mac}", URL_SAFE_NO_PAD.encode(id))
    };
    let mut wrong = vec![
        String::new(),
        token.to_owned(),
        mac.to_owned(),
        format!("{token}."),
        unpadded.to_owned(),
        format!("{raw}="),
        format!("{raw}%00"),
        format!("{raw}%20"),
        format!("\"{raw}\""),
        format!("{raw}.{mac}"),
        format!("{token}=.{mac}"),
        format!("{}.{mac}", &token[..token.len() - 1]),
        format!("{token}A.{mac}"),
        format!("{}.{mac}", token.to_uppercase()),
        raw.replace("signet_st_", ""),
        raw.replace("signet_st_", "signet_bt_"),
        encoded.replace('%', "%25"),
        other_id,
    ];
    if url_safe != raw {
        wrong.push(url_safe);
    }
    for wrong in wrong {
        assert!(!is_in(&app, &[&format!("{SESSION}={wrong}")]).await, "{wrong:?}");
    }
    for name in [
        "Better-Auth.Session_Token",
        "better-auth.session_token.0",
        " x=1,better-auth.session_token",
    ] {
        assert!(!is_in(&app, &[&format!("{name}={raw}")]).await, "{name}");
    }
    // Another provider's, with other keys.
    let other = with_ada(|options| options.issuer = Some(app.issuer.clone())).await;
    assert!(!is_in(&other, &[&format!("{SESSION}={raw}")]).await);
}

#[tokio::test]
async fn no_token_rests_in_the_database() {
    let app = with_ada(|_| ()).await;
    let mut jar = Jar::new(&app);
    jar.enter(ADA).await;
    let client = app.database.client().await;
    for table in ["sessions", "devices", "login_attempts", "users"] {
        let statement = format!("SELECT t::text FROM {table} t");
        for row in client.query(&statement, &[]).await.expect("listed") {
            let text: String = row.get(0);
            for value in jar.cookies.values() {
                let secret = &value[10..];
                assert!(!text.contains(secret), "{table}");
            }
            // Nor is it told whose attempts are counted.
            assert!(table == "users" || !text.contains("ada"), "{text}");
        }
    }
}
