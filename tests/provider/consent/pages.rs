//! What the user is told before deciding.

use serde_json::json;

use super::{ADA, FILES, NOTES, asks, third_party};
use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, TestApp};

#[tokio::test]
async fn the_page_says_who_asks_for_what_in_words() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let further = [
        ("scope", "openid profile email offline_access read delete"),
        ("resource", FILES),
    ];
    let page = browser.open(&browser.authorize(&client, &further)).await;
    asks(&page);
    page.is_page(false);
    for said in [
        "Third Party",
        ADA,
        "Know who you are",
        "Your profile",
        "Your e-mail address",
        "Stay signed in",
        // The resource by its name, with its scopes.
        "At <bdi>Notes</bdi>",
        "<li>read</li>",
        "<li>delete</li>",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    for unsaid in ["openid", "offline_access", FILES, NOTES, "write"] {
        assert!(!page.body.contains(unsaid), "{unsaid}: {}", page.body);
    }
    // The main form first, its positive button the first, nothing ticked in advance.
    let form = page.body.find("<form").expect("a form");
    let (allow, deny) = (
        page.body.find("value=\"allow\""),
        page.body.find("value=\"deny\""),
    );
    assert!(Some(form) < allow && allow < deny, "{}", page.body);
    assert!(!page.body.contains("checkbox"));
    assert_eq!(page.form().0.path(), "/consent");
    // Whoever is somebody else can say so.
    let switch = page.url.as_str().replace("/consent?", "/login?");
    let path = &switch[app.url.len()..];
    assert!(page.body.contains(path), "{path}: {}", page.body);
}

#[tokio::test]
async fn what_a_client_calls_itself_is_text() {
    let app = TestApp::start().await;
    let client = app
        .client(json!({
            "client_name": "<img src=x onerror=alert(1)>\"'{{1234567*7}}", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none", "scope": "openid <b>",
            "client_uri": "https://third.example/\"><script>", "policy_uri": "javascript:alert(1)",
        }))
        .await
        .0;
    let browser = logged_in(&app, ADA).await;
    let page = browser
        .open(&browser.authorize(&client, &[("scope", "openid <b>")]))
        .await;
    asks(&page);
    for harm in ["<img src=x", "<b>", "><script>", "javascript:", "8641969"] {
        assert!(!page.body.contains(harm), "{harm}: {}", page.body);
    }
    assert!(page.body.contains("&lt;img"), "{}", page.body);
    assert!(page.body.contains("rel=\"noopener noreferrer nofollow\""));
}

#[tokio::test]
async fn first_party_clients_are_not_asked_for() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.resource(NOTES, "notes:read").await;
    let browser = logged_in(&app, ADA).await;
    let further = [
        (
            "scope",
            "openid profile email address phone offline_access notes:read",
        ),
        ("resource", NOTES),
    ];
    browser.get(&browser.authorize(&client, &further)).await.code();
    assert_eq!(app.count("consents").await, 0);
}
