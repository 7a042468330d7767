//! Those whose own APIs say who somebody is, as their public documentation has it.

use super::*;

/// A provider of a preset below one address.
async fn stand_of(preset: Preset) -> (Stand, Upstream) {
    let stand = Stand::start().await;
    let upstream = upstream_of(settings(preset, &stand.url));
    (stand, upstream)
}

fn bearer() -> Value {
    json!({"access_token": ACCESS_TOKEN, "token_type": "bearer"})
}

const GITHUB_TOKEN: &str = "/login/oauth/access_token";

async fn github() -> (Stand, Upstream) {
    let (stand, upstream) = stand_of(Preset::GitHub).await;
    let mut token = bearer();
    token["scope"] = json!("read:user,user:email");
    stand.says(GITHUB_TOKEN, Reply::json(token));
    stand.says(
        "/api/v3/user",
        Reply::json(json!({
            "login": "octocat", "id": 583_231, "name": null, "email": "shown@example.org",
            "avatar_url": "https://avatars.example/u/583231",
        })),
    );
    (stand, upstream)
}

const EMAILS: &str = "/api/v3/user/emails";

#[tokio::test]
async fn github_knows_people_by_number_and_lists_their_addresses() {
    let (stand, upstream) = github().await;
    let emails = json!([
        {"email": "other@example.org", "primary": false, "verified": true, "visibility": null},
        {"email": "main@example.org", "primary": true, "verified": true, "visibility": "private"},
    ]);
    stand.says(EMAILS, Reply::json(emails));
    let arrival = redeem(&upstream).await.expect("an arrival");
    assert_eq!(arrival.issuer, stand.url);
    assert_eq!(arrival.subject, "583231");
    let person = &arrival.person;
    assert_eq!(person.email.as_deref(), Some("main@example.org"));
    assert!(person.email_verified);
    assert_eq!(
        person.name.as_deref(),
        Some("octocat"),
        "who gives no name has a login"
    );
    assert_eq!(
        person.picture.as_deref(),
        Some("https://avatars.example/u/583231")
    );
    assert_eq!(
        arrival.tokens.expect("tokens").scopes,
        ["read:user", "user:email"]
    );

    let heard = &stand.heard(GITHUB_TOKEN)[0];
    assert_eq!(heard.form["client_secret"], CLIENT_SECRET);
    assert_eq!(heard.headers["accept"], "application/json");
    let api = &stand.heard("/api/v3/user")[0];
    assert_eq!(api.headers["authorization"], format!("Bearer {ACCESS_TOKEN}"));
    assert!(api.headers["user-agent"].starts_with("signet/"));
}

#[tokio::test]
async fn github_vouches_for_the_main_address_alone() {
    let (stand, upstream) = github().await;
    let verified = json!({"email": "other@example.org", "primary": false, "verified": true});
    let main = json!({"email": "main@example.org", "primary": true, "verified": false});
    for (emails, address) in [
        (json!([verified, main]), "main@example.org"),
        (json!([verified]), "shown@example.org"),
        (json!([]), "shown@example.org"),
    ] {
        stand.says(EMAILS, Reply::json(emails.clone()));
        let person = redeem(&upstream).await.expect("an arrival").person;
        assert_eq!(person.email.as_deref(), Some(address), "{emails}");
        assert!(!person.email_verified, "{emails}");
    }
    stand.says(EMAILS, Reply::status(404, json!({"message": "Not Found"})));
    let person = redeem(&upstream)
        .await
        .expect("without leave for the list")
        .person;
    assert!(!person.email_verified);
    let nobody = json!({"login": "octocat", "id": 1, "email": null});
    stand.says("/api/v3/user", Reply::json(nobody));
    let person = redeem(&upstream).await.expect("without an address").person;
    assert_eq!((person.email, person.email_verified), (None, false));
}

#[tokio::test]
async fn github_limits_and_refuses_in_its_own_way() {
    let (stand, upstream) = github().await;
    let limited = json!({"message": "API rate limit exceeded"});
    let json_type = ("content-type", "application/json".to_owned());
    for (status, header) in [
        (403, ("x-ratelimit-remaining", "0".to_owned())),
        (403, ("retry-after", "60".to_owned())),
        (429, ("retry-after", "60".to_owned())),
    ] {
        let headers = vec![json_type.clone(), header];
        stand.says("/api/v3/user", Reply::Says(status, headers, limited.to_string()));
        let refused = redeem(&upstream).await;
        assert!(
            matches!(refused, Err(UpstreamError::Unavailable(Outage::Limited))),
            "{refused:?}"
        );
    }
    for (said, code) in [
        ("bad_verification_code", "bad_verification_code"),
        ("incorrect_client_credentials", "incorrect_client_credentials"),
        ("evil\r\nSet-Cookie: a=\"b\"", "evilSet-Cookie: a=b"),
    ] {
        stand.says(
            GITHUB_TOKEN,
            Reply::json(json!({"error": said, "error_description": "…"})),
        );
        let refused = redeem(&upstream).await;
        assert!(
            matches!(&refused, Err(UpstreamError::Refused { error }) if error == code),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn discord_has_names_of_its_own() {
    let (stand, upstream) = stand_of(Preset::Discord).await;
    stand.says("/api/oauth2/token", Reply::json(bearer()));
    let mut said = json!({
        "id": "80351110224678912", "username": "nelly", "global_name": "Nelly", "verified": true,
        "email": "nelly@example.org", "avatar": "a_8342729096ea3675442027381ff50dfe",
    });
    stand.says("/api/users/@me", Reply::json(said.clone()));
    let arrival = redeem(&upstream).await.expect("an arrival");
    assert_eq!(arrival.subject, "80351110224678912");
    assert!(arrival.person.email_verified);
    assert_eq!(arrival.person.name.as_deref(), Some("Nelly"));
    assert_eq!(
        arrival.person.picture.as_deref(),
        Some("https://cdn.discordapp.com/avatars/80351110224678912/a_8342729096ea3675442027381ff50dfe.png")
    );
    assert_eq!(arrival.tokens.expect("tokens").scopes, ["identify", "email"]);

    said["verified"] = json!(false);
    said["global_name"] = Value::Null;
    said["avatar"] = json!("../../evil");
    stand.says("/api/users/@me", Reply::json(said));
    let person = redeem(&upstream).await.expect("an arrival").person;
    assert!(!person.email_verified);
    assert_eq!(person.name.as_deref(), Some("nelly"));
    assert_eq!(person.picture, None);
}

#[tokio::test]
async fn facebook_tells_what_is_asked_for_and_vouches_for_no_address() {
    let (stand, upstream) = stand_of(Preset::Facebook).await;
    stand.says("/oauth/access_token", Reply::json(bearer()));
    let said = json!({
        "id": "10158", "name": "Ada", "email": "ada@example.org",
        "picture": {"data": {"url": "https://p.example/1", "width": 200}},
    });
    stand.says("/me", Reply::json(said));
    let arrival = redeem(&upstream).await.expect("an arrival");
    assert_eq!(arrival.subject, "10158");
    assert_eq!(arrival.person.picture.as_deref(), Some("https://p.example/1"));
    assert_eq!(arrival.person.email.as_deref(), Some("ada@example.org"));
    assert!(!arrival.person.email_verified);
    let query = &stand.heard("/me")[0].query;
    assert!(query.contains("email") && query.contains("picture"), "{query}");

    for (number, code) in [(100, "invalid_grant"), (1, "invalid_client")] {
        let error = json!({"error": {"message": "…", "type": "OAuthException", "code": number}});
        stand.says("/oauth/access_token", Reply::status(400, error));
        let refused = redeem(&upstream).await;
        assert!(
            matches!(&refused, Err(UpstreamError::Refused { error }) if error == code),
            "{refused:?}"
        );
    }
    let none = upstream.refresh(&Secret::new("r"), None, now()).await;
    assert!(matches!(none, Err(UpstreamError::NoRefresh)));
}

#[tokio::test]
async fn any_server_is_understood_by_its_addresses_and_names() {
    let stand = Stand::start().await;
    let at = |path: &str| format!("{}{path}", stand.url).parse::<Url>().expect("a URL");
    let names = [("sub", "user.uid"), ("name", "user.display"), ("email", "mail")];
    let upstream = upstream_of(Settings {
        issuer: None,
        endpoints: Some(Endpoints {
            authorization: at("/a"),
            token: at("/t"),
            userinfo: at("/u"),
        }),
        claims: names.map(|(ours, theirs)| (ours.into(), theirs.into())).into(),
        ..settings(Preset::OAuth2, &stand.url)
    });
    stand.says("/t", Reply::json(bearer()));
    let said = json!({"user": {"uid": 7, "display": "Ada"}, "mail": "ada@example.org", "sub": "not this"});
    stand.says("/u", Reply::json(said));
    let arrival = redeem(&upstream).await.expect("an arrival");
    assert_eq!(arrival.issuer, at("/u").as_str());
    assert_eq!(arrival.subject, "7");
    assert_eq!(arrival.person.name.as_deref(), Some("Ada"));
    assert!(!arrival.person.email_verified);
    let token = Secret::new(ACCESS_TOKEN);
    upstream.person(&token, "7", now()).await.expect("the same");

    stand.says("/u", Reply::json(json!({"mail": "ada@example.org"})));
    let refused = redeem(&upstream).await;
    assert!(matches!(
        refused,
        Err(UpstreamError::Profile(ProfileFault::NoSubject))
    ));
}

#[tokio::test]
async fn an_answer_that_names_another_site_is_not_theirs() {
    let (stand, upstream) = github().await;
    stand.says(EMAILS, Reply::json(json!([])));
    let own = format!("{}/login/oauth", stand.url);
    redeem_with(&upstream, Some(&own), None).await.expect("its own");
    let before = stand.heard(GITHUB_TOKEN).len();
    for iss in ["https://evil.example/login/oauth", "no URL", ""] {
        let refused = redeem_with(&upstream, Some(iss), None).await;
        assert!(matches!(refused, Err(UpstreamError::IssuerMismatch)), "{iss}");
    }
    assert_eq!(stand.heard(GITHUB_TOKEN).len(), before);
}

#[tokio::test]
async fn tokens_are_renewed_and_have_their_ends() {
    let (stand, upstream) = github().await;
    let mut token = bearer();
    token["expires_in"] = json!(28_800);
    token["refresh_token"] = json!("ghr_2");
    token["refresh_token_expires_in"] = json!(15_897_600);
    stand.says(GITHUB_TOKEN, Reply::json(token));
    let old = Secret::new("ghr_1");
    let tokens = upstream.refresh(&old, None, now()).await.expect("new ones");
    assert_eq!(tokens.refresh_token.expect("one").expose(), "ghr_2");
    assert_eq!(tokens.expires_at, Some(later(28_800)));
    assert_eq!(tokens.refresh_expires_at, Some(later(15_897_600)));
    let heard = &stand.heard(GITHUB_TOKEN)[0];
    assert_eq!(heard.form["grant_type"], "refresh_token");
    assert_eq!(heard.form["refresh_token"], "ghr_1");

    stand.says(
        GITHUB_TOKEN,
        Reply::status(400, json!({"error": "invalid_grant"})),
    );
    let refused = upstream.refresh(&old, None, now()).await;
    assert!(matches!(&refused, Err(UpstreamError::Refused { error }) if error == "invalid_grant"));
}
