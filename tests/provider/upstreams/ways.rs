//! Every kind of provider, with every algorithm, all the way.

use super::{ada, app_of, sign_in};
use crate::support::jar::Jar;
use crate::support::upstream::{KINDS, Kind, Upstream};

/// Somebody signs up through a provider, and signs in from another browser as the same user.
async fn goes_the_whole_way(kind: Kind) {
    let upstream = Upstream::start(kind, ada(kind)).await;
    let app = app_of(&upstream, "").await;
    for _ in 0..2 {
        let mut jar = Jar::new(&app);
        let answer = sign_in(&mut jar, &upstream, "ada").await;
        assert_eq!(answer.status, 303, "{kind:?}: {answer:#?}");
        assert_eq!(answer.location().path(), "/account", "{kind:?}: {answer:#?}");
        assert!(jar.is_in().await, "{kind:?}");
        let page = jar.get("/account").await;
        assert!(page.body.contains("Ada Lovelace"), "{kind:?}: {page:#?}");
        assert!(page.body.contains("ada@example.org"), "{kind:?}: {page:#?}");
    }
    assert_eq!(app.count("users").await, 1, "{kind:?}");
    assert_eq!(app.count("identities").await, 1, "{kind:?}");
}

#[tokio::test]
async fn people_come_through_every_kind_of_provider() {
    for kind in KINDS {
        goes_the_whole_way(kind).await;
    }
}

#[tokio::test]
async fn id_tokens_are_believed_by_every_algorithm() {
    for algorithm in ["RS256", "ES256", "PS256", "EdDSA"] {
        for kind in [
            Kind::Google(algorithm),
            Kind::Microsoft(algorithm),
            Kind::Apple(algorithm),
        ] {
            goes_the_whole_way(kind).await;
        }
    }
}
