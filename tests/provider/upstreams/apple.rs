//! What Apple alone does: it answers by a form from its own site, tells a name once, and has its own word for a no.

use super::{ada, app_of, is_turned_away, set_out, sign_in, visit};
use crate::support::jar::Jar;
use crate::support::upstream::{Kind, Return, Upstream};

const KIND: Kind = Kind::Apple("ES256");

#[tokio::test]
async fn the_name_is_told_once_and_kept() {
    let upstream = Upstream::start(KIND, ada(KIND)).await;
    let app = app_of(&upstream, "").await;
    let mut jar = Jar::new(&app);
    let first = visit(&mut jar, &upstream, "ada").await;
    assert!(matches!(first, Return::Form(..)), "{first:?}");
    let told = first.parameter("user").expect("the name");
    assert!(told.contains("Lovelace"), "{told}");
    first.follow(&mut jar, &upstream).await;
    assert!(jar.get("/account").await.body.contains("Ada Lovelace"));

    let mut jar = Jar::new(&app);
    let second = visit(&mut jar, &upstream, "ada").await;
    assert_eq!(second.parameter("user"), None);
    // Nothing signs it: the browser may say there what it likes.
    let forged = r#"{"name":{"firstName":"Grace","lastName":"Hopper"},"email":"grace@example.org"}"#;
    second
        .with("user", Some(forged))
        .follow(&mut jar, &upstream)
        .await;
    let account = jar.get("/account").await;
    assert!(account.body.contains("Ada Lovelace"), "{account:#?}");
    assert!(account.body.contains("ada@example.org"), "{account:#?}");
    assert_eq!(app.count("users").await, 1);
}

#[tokio::test]
async fn whoever_says_no_there_is_told_so_and_may_try_again() {
    for kind in [
        KIND,
        Kind::Google("RS256"),
        Kind::GitHub,
        Kind::Discord,
        Kind::Facebook,
    ] {
        let upstream = Upstream::start(kind, ada(kind)).await;
        let app = app_of(&upstream, "").await;
        let mut jar = Jar::new(&app);
        let sent = set_out(&mut jar, kind.preset()).await;
        let back = upstream.refuse(&mut jar, &sent.location()).await;
        let answer = back.follow(&mut jar, &upstream).await;
        is_turned_away(&mut jar, &answer, "denied", &kind).await;
        sign_in(&mut jar, &upstream, "ada").await;
        assert!(jar.is_in().await, "{kind:?}");
    }
}
