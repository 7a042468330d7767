//! Signing up: what makes an account, what does not, and what strangers can do with the form.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::StatusCode;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::{Answer, Browser};
use crate::support::jar::Jar;

const TAKEN: &str = "There is an account with this address already.";

/// What is said beside a field, with the role that makes screen readers say it.
fn beside(page: &Answer, field: &str) -> Option<String> {
    let start = format!("id=\"{field}-error\" role=\"alert\">");
    let (_, rest) = page.body.split_once(&start)?;
    Some(rest.split("</p>").next().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_signup_makes_an_account_and_a_session() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    let answer = jar.sign_up(" Ada Lovelace ", "Ada@Example.org", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
    assert_eq!(answer.location().path(), "/account");
    let account = jar.get("/account").await;
    assert!(account.body.contains("<bdi>Ada Lovelace</bdi>"));
    assert!(account.body.contains("Ada@Example.org") && account.body.contains("Not confirmed"));
    for table in ["users", "sessions", "devices"] {
        assert_eq!(app.count(table).await, 1, "{table}");
    }
    let row = app
        .database
        .client()
        .await
        .query_one(
            "SELECT password_hash, email_key, last_login_at = s.created_at \
             FROM users u JOIN sessions s ON s.user_id = u.id",
            &[],
        )
        .await
        .expect("one of each");
    assert!(
        row.get::<_, String>(0)
            .starts_with("$argon2id$v=19$m=64,t=1,p=1$")
    );
    assert_eq!(row.get::<_, String>(1), "ada@example.org");
    assert!(row.get::<_, bool>(2));
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_all_but_the_password_stays_typed() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    let page = jar.sign_up("  ", "ada.example.org", "q7Zx!").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        beside(&page, "name").as_deref(),
        Some("Enter your name, 200 characters at most.")
    );
    assert_eq!(
        beside(&page, "email").as_deref(),
        Some("Enter an e-mail address such as name@example.org.")
    );
    assert_eq!(
        beside(&page, "password").as_deref(),
        Some("Choose a password of at least 8 characters.")
    );
    assert!(page.body.contains("value=\"ada.example.org\""));
    assert!(!page.body.contains("q7Zx!"));

    let page = jar.sign_up("Ada", "ada@example.org", "password1").await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(beside(&page, "name"), None);
    assert_eq!(beside(&page, "email"), None);
    assert!(beside(&page, "password").is_some());
    assert!(page.body.contains("value=\"Ada\"") && page.body.contains("value=\"ada@example.org\""));
    assert!(
        page.body.contains("This is a very common password."),
        "{}",
        page.body
    );
    assert!(page.body.contains("<li>"));
    assert!(!page.body.contains("password1"));
    assert_eq!(app.count("users").await, 0);
    assert_eq!(app.count("sessions").await, 0);
}

#[tokio::test]
async fn a_password_made_of_what_is_known_of_the_user_is_weak() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for password in [
        "zyxomma.quuxley",
        "Quuxley1",
        "zyxomma.quuxley@example.org",
        "Gryffyn7",
    ] {
        let page = jar
            .sign_up("Gryffyn", "zyxomma.quuxley@example.org", password)
            .await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{password}");
        assert!(beside(&page, "password").is_some(), "{password}");
    }
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn a_password_has_8_to_128_utf_16_units_after_normalisation() {
    let app = TestApp::with(|options| options.settings.min_strength = 0).await;
    let decomposed = "e\u{301}".repeat(128);
    let cases = [
        ("a".repeat(7), Err("at least 8")),
        ("a".repeat(8), Ok("a".repeat(8))),
        ("a".repeat(128), Ok("a".repeat(128))),
        ("a".repeat(129), Err("at most 128")),
        // Four characters, eight units.
        ("🔑🔒🔓🗝\u{fe0f}".into(), Ok("🔑🔒🔓🗝\u{fe0f}".into())),
        // Twice as many when they are typed, and as many as are allowed when they are normalised.
        (decomposed, Ok("é".repeat(128))),
        // Another keyboard writes the same.
        ("Ｐａｓｓｗｏｒｔ９".into(), Ok("Passwort9".into())),
        // Three characters that normalise to six.
        ("ﬀﬀﬀ".into(), Err("at least 8")),
        (" 1234567".into(), Ok(" 1234567".into())),
    ];
    for (number, (password, expected)) in cases.iter().enumerate() {
        let email = format!("user{number}@example.org");
        let answer = Jar::new(&app).sign_up("Ada", &email, password).await;
        match expected {
            Ok(same) => {
                assert_eq!(answer.status, StatusCode::SEE_OTHER, "{password:?}: {answer:#?}");
                let login = Jar::new(&app).log_in(&email, same).await;
                assert_eq!(login.status, StatusCode::SEE_OTHER, "{same:?}");
                let cut = &same[..same.len() - same.chars().last().map_or(0, char::len_utf8)];
                let login = Jar::new(&app).log_in(&email, cut).await;
                assert_eq!(login.status, StatusCode::UNPROCESSABLE_ENTITY, "{cut:?}");
            }
            Err(said) => {
                assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{password:?}");
                let text = beside(&answer, "password").expect("said beside the field");
                assert!(text.contains(said), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn an_address_is_taken_in_every_spelling() {
    let app = TestApp::start().await;
    for (first, others) in [
        (
            "Ada@Example.org",
            &["ada@example.org", " ADA@EXAMPLE.ORG ", "aDa@example.ORG"][..],
        ),
        (
            "josé@bücher.example",
            &[
                "JOSÉ@xn--bcher-kva.example",
                "josé@BÜCHER.example",
                "José@XN--BCHER-KVA.EXAMPLE",
            ],
        ),
        // Letters with one capital between them.
        ("ΟΔΟΣ@example.org", &["οδος@example.org", "οδοσ@example.org"]),
        ("user@example.org", &["u\u{17f}er@example.org"]),
    ] {
        let before = app.count("users").await;
        let answer = Jar::new(&app).sign_up("Ada", first, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{first}");
        for other in others {
            let page = Jar::from_address(&app, "203.0.113.8")
                .sign_up("Eve", other, PASSWORD)
                .await;
            assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{other}");
            let said = beside(&page, "email").expect("said beside the field");
            assert!(said.starts_with(TAKEN), "{said}");
            assert!(page.set_cookies().is_empty(), "{page:#?}");
            let login = Jar::from_address(&app, "203.0.113.9")
                .log_in(other, PASSWORD)
                .await;
            assert_eq!(login.status, StatusCode::SEE_OTHER, "{other}");
        }
        assert_eq!(app.count("users").await, before + 1);
    }
}

#[tokio::test]
async fn of_signups_with_one_address_at_once_one_wins() {
    let app = TestApp::start().await;
    let mut jars: Vec<_> = (0..8).map(|_| Jar::new(&app)).collect();
    let answers = join_all(
        jars.iter_mut()
            .map(|jar| jar.sign_up("Ada", "ada@example.org", PASSWORD)),
    )
    .await;
    let in_ = answers.iter().filter(|answer| answer.status == 303).count();
    let taken = answers
        .iter()
        .filter(|answer| answer.body.contains(TAKEN))
        .count();
    assert_eq!((in_, taken), (1, 7));
    assert_eq!(app.count("users").await, 1);
    assert_eq!(app.count("sessions").await, 1);
}

#[tokio::test]
async fn a_closed_signup_lets_nobody_in() {
    let app = TestApp::with(|options| options.settings.accounts.signup = false).await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/signup").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.body.contains("Sign-up is closed"));
    let login = jar.get("/login").await;
    assert!(!login.body.contains("/signup"), "{}", login.body);
    let (_, hidden) = login.form();
    let code = &hidden[0];
    let fields = [
        (&*code.0, &*code.1),
        ("name", "Ada"),
        ("email", "ada@example.org"),
        ("password", PASSWORD),
    ];
    let answer = jar.post("/signup", &fields).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(app.count("users").await, 0);

    let client = app.spa().await;
    let browser = Browser::new(&app);
    let page = browser
        .open(&browser.authorize(&client, &[("prompt", "create")]))
        .await;
    assert_eq!(page.url.path(), "/login");
}

#[tokio::test]
async fn an_account_that_must_be_verified_is_of_no_use_before() {
    let app = TestApp::with(|options| options.settings.accounts.require_verified_email = true).await;
    let mut jar = Jar::new(&app);
    let page = jar.sign_up("Ada", "ada@example.org", PASSWORD).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Look into your mail"), "{}", page.body);
    assert!(page.set_cookies().is_empty());
    let page = jar.log_in("ada@example.org", PASSWORD).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("has not been verified yet"));
    // Who does not know the password learns nothing of it.
    let page = jar.log_in("ada@example.org", "another password").await;
    assert!(!page.body.contains("verified"));
    assert_eq!(app.count("sessions").await, 0);
    assert_eq!(app.count("devices").await, 0);
}

#[tokio::test]
async fn a_name_is_text_of_fair_length() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for name in [
        "A\u{7}da",
        "Ada\nLovelace",
        "A\u{85}da",
        "\u{1b}[31mAda",
        &"a".repeat(201),
    ] {
        let page = jar.sign_up(name, "ada@example.org", PASSWORD).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?}");
        assert!(beside(&page, "name").is_some(), "{name:?}");
    }
    // A NUL makes the whole form no text.
    let page = jar.sign_up("A\0da", "ada@example.org", PASSWORD).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert_eq!(app.count("users").await, 0);
    let answer = jar.sign_up(&"ä".repeat(200), "ada@example.org", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn hostile_text_is_shown_as_text() {
    const NAME: &str = "<script>alert('1')</script>\"\u{202e}&amp;{{7*7}}";
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    let page = jar
        .sign_up(NAME, "\"><img src=x onerror=alert(1)>@example.org", "short")
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let account = {
        let answer = jar.sign_up(NAME, "<b>'x'</b>@example.org", PASSWORD).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "no plain address"
        );
        let answer = jar.sign_up(NAME, "o'b&c@example.org", PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
        jar.get("/account").await
    };
    let client = app.spa().await;
    let browser = Browser::new(&app);
    let hinted = browser
        .open(&browser.authorize(&client, &[("login_hint", "\"><script>alert('1')</script>")]))
        .await;
    for page in [&page, &account, &hinted] {
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
        assert!(!page.body.contains("<img src=x"), "{}", page.body);
        assert!(!page.body.contains("49") || !page.body.contains("amp;49"));
    }
    assert!(
        account
            .body
            .contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;amp;{{7*7}}"),
        "{}",
        account.body
    );
    assert!(account.body.contains("o&#39;b&amp;c@example.org"));
}

#[tokio::test]
async fn an_address_makes_twenty_accounts_an_hour() {
    let app = TestApp::start().await;
    let sign_up = async |address: &str, number: usize| {
        let mut jar = Jar::from_address(&app, address);
        jar.sign_up("Ada", &format!("u{number}@example.org"), PASSWORD)
            .await
    };
    let faulty = Jar::new(&app).sign_up("Ada", "none", "password1").await;
    assert_eq!(faulty.status, StatusCode::UNPROCESSABLE_ENTITY);
    for number in 0..20 {
        // A taken address counts as well: who asks is told something.
        let number = if number == 19 { 0 } else { number };
        let expected = if number == 0 && app.count("users").await > 0 {
            422
        } else {
            303
        };
        assert_eq!(sign_up("203.0.113.7", number).await.status, expected, "{number}");
    }
    app.advance(TimeDelta::minutes(10));
    let refused = sign_up("203.0.113.7", 100).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("3000"));
    assert!(refused.body.contains("Too many attempts") && refused.body.contains("50 minutes"));
    assert_eq!(sign_up("203.0.113.8", 101).await.status, 303);
    app.advance(TimeDelta::minutes(50) - TimeDelta::seconds(1));
    let refused = sign_up("203.0.113.7", 100).await;
    assert_eq!(refused.header("retry-after"), Some("1"));
    app.advance(TimeDelta::seconds(1));
    assert_eq!(sign_up("203.0.113.7", 100).await.status, 303);
}

#[tokio::test]
async fn who_signs_up_while_another_is_logged_in_ends_that_session() {
    let app = TestApp::start().await;
    app.user("eve@example.org", serde_json::json!({})).await;
    let mut jar = Jar::new(&app);
    jar.enter("eve@example.org").await;
    let mut of_eve = jar.clone();
    let answer = jar.sign_up("Ada", "ada@example.org", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(jar.get("/account").await.body.contains("ada@example.org"));
    assert!(!of_eve.is_in().await);
}
