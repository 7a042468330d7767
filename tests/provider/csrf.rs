//! Cross-site request forgery, against every form that there is.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{Answer, challenge};
use crate::support::jar::{Jar, encode};

const ADA: &str = "ada@example.org";
const SESSION: &str = "better-auth.session_token";

/// Headers by name.
type Headers<'a> = &'a [(&'a str, &'a str)];

/// One form: where it goes, with a code that is right, and what was typed.
struct Filled {
    path: String,
    code: String,
    fields: Vec<(&'static str, &'static str)>,
}

impl Filled {
    fn of(page: &Answer, path: &str, fields: &[(&'static str, &'static str)]) -> Self {
        let (url, hidden) = page
            .forms()
            .into_iter()
            .find(|(url, _)| url.path() == path)
            .unwrap_or_else(|| panic!("no form to {path}: {page:#?}"));
        let code = hidden.into_iter().find(|(name, _)| name == "csrf");
        Self {
            path: url.as_str().to_owned(),
            code: code.expect("every form has its code").1,
            fields: fields.to_vec(),
        }
    }

    fn body(&self, code: Option<&str>) -> String {
        let code = code.map(|code| ("csrf", code));
        let fields: Vec<_> = code.into_iter().chain(self.fields.iter().copied()).collect();
        encode(&fields)
    }

    async fn send(&self, jar: &mut Jar, headers: &[(&str, &str)], code: Option<&str>) -> Answer {
        let mut all = headers.to_vec();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/x-www-form-urlencoded"));
        }
        jar.send(Method::POST, &self.path, &all, Some(self.body(code)))
            .await
    }
}

fn authorize(client: &str, further: &str) -> String {
    let callback: String = url::form_urlencoded::byte_serialize(CALLBACK.as_bytes()).collect();
    format!(
        "/oauth2/authorize?client_id={client}&redirect_uri={callback}&response_type=code&scope=openid\
         &code_challenge_method=S256&code_challenge={}{further}",
        challenge()
    )
}

/// Everything that a form could change.
async fn state(app: &TestApp) -> Vec<String> {
    const ALL: &str = "SELECT 'user ' || u::text FROM users u
        UNION ALL SELECT 'session ' || s::text FROM sessions s
        UNION ALL SELECT 'consent ' || c::text FROM consents c
        UNION ALL SELECT 'request ' || r::text FROM authorization_requests r
        UNION ALL SELECT 'code ' || o::text FROM authorization_codes o
        UNION ALL SELECT 'attempt ' || a::text FROM login_attempts a
        UNION ALL SELECT 'device ' || d::text FROM devices d ORDER BY 1";
    let rows = app.database.client().await.query(ALL, &[]).await;
    rows.expect("listed").iter().map(|row| row.get(0)).collect()
}

/// A third-party client, a user with two sessions, and every form, filled in by a browser that may send it.
async fn forms(app: &TestApp) -> Vec<(Jar, Filled)> {
    app.user(ADA, json!({})).await;
    let client = app
        .client(json!({
            "client_id": "stranger", "client_name": "Stranger", "token_endpoint_auth_method": "none",
            "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"], "scope": "openid",
        }))
        .await
        .0;
    let mut nobody = Jar::new(app);
    let signup = nobody.get("/signup").await;
    let login = nobody.get("/login").await;
    let signup = Filled::of(
        &signup,
        "/signup",
        &[
            ("name", "Eve"),
            ("email", "eve@example.org"),
            ("password", PASSWORD),
        ],
    );
    let login = Filled::of(&login, "/login", &[("email", ADA), ("password", PASSWORD)]);
    let mut forms = vec![(nobody.clone(), signup), (nobody, login)];

    Jar::new(app).enter(ADA).await;
    let mut jar = Jar::new(app);
    jar.enter(ADA).await;
    let chosen = jar.get(&authorize(&client, "&prompt=select_account")).await;
    let chosen = jar.follow(chosen).await;
    let go_on = Filled::of(&chosen, "/login/continue", &[]);
    let consent = jar.get(&authorize(&client, "")).await;
    let consent = jar.follow(consent).await;
    let allow = Filled::of(&consent, "/consent", &[("decision", "allow")]);
    let deny = Filled::of(&consent, "/consent", &[("decision", "deny")]);
    let account = jar.get("/account").await;
    let revoke = account
        .forms()
        .into_iter()
        .map(|(url, _)| url.path().to_owned())
        .find(|path| path.ends_with("/revoke"))
        .expect("there is another session");
    let revoke = Filled::of(&account, &revoke, &[]);
    let others = Filled::of(&account, "/account/sessions/revoke-others", &[]);
    let here = Filled::of(&account, "/logout", &[("logout", "yes")]);
    let logout = jar.get("/logout").await;
    let logout = Filled::of(&logout, "/logout", &[("logout", "yes")]);
    for form in [go_on, deny, allow, revoke, others, here, logout] {
        forms.push((jar.clone(), form));
    }
    forms
}

#[tokio::test]
async fn a_form_that_is_not_the_browsers_own_does_nothing() {
    let app = TestApp::start().await;
    let forms = forms(&app).await;
    let mut eve = Jar::from_address(&app, "198.51.100.1");
    let of_another_browser = Filled::of(&eve.get("/login").await, "/login", &[]).code;
    app.user("eve@example.net", json!({})).await;
    eve.enter("eve@example.net").await;
    let of_another_session = Filled::of(&eve.get("/logout").await, "/logout", &[]).code;
    let before = state(&app).await;
    for (jar, form) in &forms {
        let code = Some(&*form.code);
        let mut changed = form.code.clone();
        changed.replace_range(4..5, if &changed[4..5] == "A" { "B" } else { "A" });
        let padded = format!("{}=", form.code);
        let cases: [(&str, Headers<'_>, Option<&str>); 16] = [
            ("no code", &[], None),
            ("an empty code", &[], Some("")),
            ("a changed code", &[], Some(&changed)),
            ("a padded code", &[], Some(&padded)),
            ("another browser's", &[], Some(&of_another_browser)),
            ("another session's", &[], Some(&of_another_session)),
            ("cross-site", &[("sec-fetch-site", "cross-site")], code),
            ("same-site", &[("sec-fetch-site", "same-site")], code),
            ("another origin", &[("origin", "https://evil.example")], code),
            (
                "a longer origin",
                &[("origin", "http://127.0.0.1.evil.example")],
                code,
            ),
            (
                "contradiction",
                &[
                    ("origin", "https://evil.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                code,
            ),
            ("no text as origin", &[("origin", "é")], code),
            (
                "null, cross-site",
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
                code,
            ),
            ("JSON", &[("content-type", "application/json")], code),
            ("plain text", &[("content-type", "text/plain")], code),
            (
                "multipart",
                &[("content-type", "multipart/form-data; boundary=x")],
                code,
            ),
        ];
        for (what, headers, code) in cases {
            let answer = form.send(&mut jar.clone(), headers, code).await;
            let expected = if headers.iter().any(|(name, _)| *name == "content-type") {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::FORBIDDEN
            };
            assert_eq!(answer.status, expected, "{what} to {}", form.path);
            assert!(answer.set_cookies().is_empty(), "{what} to {}", form.path);
        }
        // A browser without cookies cannot have been shown the form.
        let mut without = Jar::new(&app);
        if let Some(session) = jar.cookies.get(SESSION) {
            without.cookies.insert(SESSION.to_owned(), session.clone());
        }
        let answer = form.send(&mut without, &[], code).await;
        let lost = form.path.contains("?request=");
        let expected = if lost {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::FORBIDDEN
        };
        assert_eq!(answer.status, expected, "no cookie to {}", form.path);
        // Twice the field is none.
        let body = format!("{}&csrf={}", form.body(code), form.code);
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = jar
            .clone()
            .send(Method::POST, &form.path, &headers, Some(body))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "twice to {}", form.path);
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn a_get_of_a_forms_address_changes_nothing() {
    let app = TestApp::start().await;
    let forms = forms(&app).await;
    let before = state(&app).await;
    for (jar, form) in &forms {
        let separator = if form.path.contains('?') { '&' } else { '?' };
        let address = format!("{}{separator}{}", form.path, form.body(Some(&form.code)));
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE] {
            let answer = jar.clone().send(method.clone(), &address, &[], None).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 400 | 403 | 404 | 405),
                "{method} {}: {answer:#?}",
                form.path
            );
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn a_code_is_good_for_its_session_alone() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    app.user("eve@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    let login = jar.get("/login").await;
    jar.enter(ADA).await;
    let of_ada = Filled::of(&jar.get("/logout").await, "/logout", &[("logout", "yes")]);
    jar.submit(&login, &[("email", "eve@example.org"), ("password", PASSWORD)])
        .await;
    let answer = of_ada.send(&mut jar, &[], Some(&of_ada.code)).await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "the same browser, another session"
    );
    let of_login = login.form().1.remove(0).1;
    let answer = of_ada.send(&mut jar, &[], Some(&of_login)).await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "the code of a form for everybody"
    );
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn the_forms_work_for_their_own_browser() {
    let app = TestApp::start().await;
    let origin = app.issuer.clone();
    for (mut jar, form) in forms(&app).await {
        // As browsers send them from a page without referrer, and as they would with one.
        let headers: &[(&str, &str)] = match form.path.len() % 3 {
            0 => &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            1 => &[("origin", &origin), ("sec-fetch-site", "same-origin")],
            _ => &[],
        };
        let answer = form.send(&mut jar, headers, Some(&form.code)).await;
        // A request that was denied is not there to be allowed, a session that was ended has no forms.
        let expected = if form.fields.contains(&("decision", "allow")) {
            400
        } else {
            303
        };
        assert_eq!(answer.status, expected, "{} {answer:#?}", form.path);
    }
}
