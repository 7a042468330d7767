use super::*;
use crate::random::SeededRandom;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a date")
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: "app".parse().expect("an id"),
        redirect_uri: "https://app.example/cb".into(),
        response_mode: ResponseMode::Query,
        state: None,
        nonce: None,
        scope: ScopeSet::parse("openid").expect("a scope"),
        resources: Vec::new(),
        code_challenge: None,
        prompt: Prompt::default(),
        max_age: None,
        login_hint: None,
        provider: None,
        ui_locales: None,
        required_subject: None,
        claims: None,
    }
}

fn somebody() -> Present<'static> {
    let random = SeededRandom::new(5);
    Present {
        session: SessionId::generate(&random),
        subject: "somebody",
        auth_time: now() - TimeDelta::seconds(100),
        acr: "1",
    }
}

#[test]
fn a_silent_request_never_shows_a_page() {
    let mut silent = request();
    silent.prompt.none = true;
    let nothing = Progress::default();
    assert_eq!(
        silent.next_step(None, true, nothing, now()),
        NextStep::LoginRequired
    );
    assert_eq!(
        silent.next_step(Some(somebody()), false, nothing, now()),
        NextStep::ConsentRequired
    );
    assert_eq!(
        silent.next_step(Some(somebody()), true, nothing, now()),
        NextStep::Issue
    );
    silent.max_age = Some(100);
    assert_eq!(
        silent.next_step(Some(somebody()), true, nothing, now()),
        NextStep::LoginRequired
    );
}

#[test]
fn a_login_that_was_asked_for_is_asked_for_once() {
    let done = Progress {
        authenticated: Some(somebody().session),
        consented: false,
    };
    for ask in [
        |request: &mut AuthorizationRequest| request.prompt.login = true,
        |request: &mut AuthorizationRequest| request.prompt.select_account = true,
        |request: &mut AuthorizationRequest| request.max_age = Some(0),
    ] {
        let mut asking = request();
        ask(&mut asking);
        assert_eq!(
            asking.next_step(Some(somebody()), true, Progress::default(), now()),
            NextStep::Login
        );
        assert_eq!(
            asking.next_step(Some(somebody()), true, done, now()),
            NextStep::Issue
        );
        let other = Progress {
            authenticated: Some(SessionId::generate(&SeededRandom::new(9))),
            ..done
        };
        assert_eq!(
            asking.next_step(Some(somebody()), true, other, now()),
            NextStep::Login
        );
    }
}

#[test]
fn another_user_than_the_hinted_one_logs_in_or_is_refused() {
    let mut hinted = request();
    hinted.required_subject = Some("another".to_owned());
    assert_eq!(
        hinted.next_step(Some(somebody()), true, Progress::default(), now()),
        NextStep::Login
    );
    let done = Progress {
        authenticated: Some(somebody().session),
        consented: false,
    };
    assert_eq!(
        hinted.next_step(Some(somebody()), true, done, now()),
        NextStep::WrongUser
    );
}

#[test]
fn signup_and_consent_come_when_asked_for() {
    let mut creating = request();
    creating.prompt.create = true;
    assert_eq!(
        creating.next_step(None, true, Progress::default(), now()),
        NextStep::Signup
    );
    let mut consenting = request();
    consenting.prompt.consent = true;
    assert_eq!(
        consenting.next_step(Some(somebody()), true, Progress::default(), now()),
        NextStep::Consent
    );
    let done = Progress {
        authenticated: None,
        consented: true,
    };
    assert_eq!(
        consenting.next_step(Some(somebody()), true, done, now()),
        NextStep::Issue
    );
}

#[test]
fn only_an_essential_acr_can_fail() {
    let mut asking = request();
    for (essential, step) in [(true, NextStep::UnmetAcr), (false, NextStep::Issue)] {
        let wanted = ClaimRequest {
            essential,
            value: Some("phrh".into()),
            values: None,
        };
        let id_token = BTreeMap::from([("acr".to_owned(), Some(wanted))]);
        asking.claims = Some(RequestedClaims {
            id_token,
            ..RequestedClaims::default()
        });
        assert_eq!(
            asking.next_step(Some(somebody()), true, Progress::default(), now()),
            step
        );
    }
}

#[test]
fn the_claims_parameter_is_an_object_of_objects_and_what_is_not_understood_is_passed_over() {
    for good in [
        "{}",
        r#"{"userinfo":{"email":null,"x":{}},"id_token":{"acr":{"essential":true,"values":["1",2],"more":[1]}}}"#,
        r#"{"verified_claims":{"trust":1},"more":true,"again":[null]}"#,
    ] {
        assert!(RequestedClaims::parse(good).is_some(), "{good}");
    }
    let deep = format!(
        r#"{{"id_token":{{"a":{{"value":{}0{}}}}}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    for bad in [
        "",
        "[]",
        "null",
        "{} {}",
        r#"{"userinfo":null}"#,
        r#"{"userinfo":[]}"#,
        r#"{"userinfo":{"email":[]}}"#,
        r#"{"userinfo":{},"userinfo":{}}"#,
        r#"{"id_token":{"a":{"value":["\u0000"]}}}"#,
        r#"{"id_token":{"a":{"value":{"\u0000":1}}}}"#,
        r#"{"id_token":{"a":{"value":"\ud800"}}}"#,
        &deep,
    ] {
        assert!(RequestedClaims::parse(bad).is_none(), "{bad}");
    }
    assert!(
        RequestedClaims::parse(r#"{"id_token":{"a":{"value":"\\u0000"}}}"#).is_some(),
        "a backslash"
    );
}
