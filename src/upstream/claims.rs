//! From what a provider says of a person to what an account can hold: each provider has its own names, and an entry
//! may give others.

use serde_json::{Map, Value};
use url::Url;

use super::error::ProfileFault;
use super::exchange::Person;
use super::settings::{Preset, Settings};
use crate::domain::email::EmailAddress;
use crate::domain::user::{is_picture, parse_name};

/// The most that is kept of what is said, in bytes of JSON.
const MAX_CLAIMS: usize = 64 * 1024;

/// The longest name of a subject (OpenID Connect Core 1.0 §2).
const MAX_SUBJECT: usize = 255;

/// Who it is, by the entry's name for it or the preset's.
pub(super) fn subject(claims: &Map<String, Value>, settings: &Settings) -> Result<String, ProfileFault> {
    let told = match find(claims, settings, "sub") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        _ => return Err(ProfileFault::NoSubject),
    };
    let fits = (1..=MAX_SUBJECT).contains(&told.len()) && !told.chars().any(char::is_control);
    fits.then_some(told).ok_or(ProfileFault::NoSubject)
}

/// What the claims say of the person. What no account could have is left out.
pub(super) fn person(claims: Map<String, Value>, settings: &Settings) -> Result<Person, ProfileFault> {
    let text = |ours| find(&claims, settings, ours).and_then(Value::as_str);
    let email = text("email").and_then(|email| Some(EmailAddress::parse(email).ok()?.as_str().to_owned()));
    // Whoever administers a tenant of Microsoft writes what he likes there.
    let may_vouch = settings.preset != Preset::Microsoft && email.is_some();
    let hosted_domain = claims
        .get("hd")
        .and_then(Value::as_str)
        .filter(|_| settings.preset == Preset::Google);
    let person = Person {
        email_verified: may_vouch && find(&claims, settings, "email_verified").is_some_and(is_true),
        email,
        hosted_domain: hosted_domain.map(str::to_owned),
        name: text("name").and_then(parse_name),
        picture: text("picture")
            .filter(|text| is_picture(text) && Url::parse(text).is_ok_and(|url| url.scheme() == "https"))
            .map(str::to_owned),
        claims: Value::Object(claims),
    };
    if person.claims.to_string().len() > MAX_CLAIMS {
        return Err(ProfileFault::TooLong);
    }
    Ok(person)
}

/// Whether the claims leave open what userinfo may tell.
pub(super) fn are_incomplete(claims: &Map<String, Value>, settings: &Settings) -> bool {
    ["email", "name"]
        .iter()
        .any(|ours| find(claims, settings, ours).is_none())
}

/// Apple says so in text ("Authenticate users with Sign in with Apple", `email_verified`).
fn is_true(value: &Value) -> bool {
    value == &Value::Bool(true) || value == "true"
}

fn find<'a>(claims: &'a Map<String, Value>, settings: &Settings, ours: &str) -> Option<&'a Value> {
    match settings.claims.get(ours) {
        Some(theirs) => at(claims, theirs),
        None => names(settings.preset, ours)
            .iter()
            .find_map(|name| at(claims, name)),
    }
}

/// The claim of that name, or the one that the dots in it lead to: names of claims that are URLs have dots too.
fn at<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = claims.get(name).or_else(|| {
        let (outer, inner) = name.split_once('.')?;
        at(claims.get(outer)?.as_object()?, inner)
    });
    found.filter(|value| !value.is_null())
}

/// What a preset calls it, the best first. All others use the names of OpenID Connect Core 1.0 §5.1.
fn names(preset: Preset, ours: &str) -> Vec<&str> {
    match (preset, ours) {
        (Preset::GitHub | Preset::Discord | Preset::Facebook, "sub") => vec!["id"],
        (Preset::GitHub, "name") => vec!["name", "login"],
        (Preset::GitHub, "picture") => vec!["avatar_url"],
        (Preset::Discord, "name") => vec!["global_name", "username"],
        (Preset::Discord, "email_verified") => vec!["verified"],
        (Preset::Facebook, "picture") => vec!["picture.data.url"],
        _ => vec![ours],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn settings(preset: Preset, claims: &[(&str, &str)]) -> Settings {
        let owned = |(ours, theirs): &(&str, &str)| ((*ours).to_owned(), (*theirs).to_owned());
        Settings {
            id: "test".into(),
            preset,
            issuer: None,
            client_id: "client".into(),
            scopes: Vec::new(),
            claims: claims.iter().map(owned).collect::<BTreeMap<_, _>>(),
            endpoints: None,
            allow_private_addresses: false,
        }
    }

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(object) = value else {
            unreachable!("an object")
        };
        object
    }

    fn of(preset: Preset, claims: &[(&str, &str)], said: Value) -> Person {
        person(object(said), &settings(preset, claims)).expect("a person")
    }

    #[test]
    fn an_entry_names_claims_as_the_provider_does_however_deep_they_are() {
        let names = [
            ("email", "https://claims.example/mail"),
            ("email_verified", "mail.proven"),
            ("name", "profile.names.display"),
        ];
        let person = of(
            Preset::Oidc,
            &names,
            json!({"https://claims.example/mail": "a@example.org", "mail": {"proven": true}, "email": "b@example.org",
                "profile": {"names": {"display": " Ada "}}, "name": "wrong"}),
        );
        assert_eq!(person.email.as_deref(), Some("a@example.org"));
        assert!(person.email_verified);
        assert_eq!(person.name.as_deref(), Some("Ada"));
    }

    #[test]
    fn only_a_clear_yes_verifies_and_only_an_address() {
        let verified = |preset, said: Value| {
            of(
                preset,
                &[],
                json!({"email": "a@example.org", "email_verified": said}),
            )
            .email_verified
        };
        assert!(verified(Preset::Oidc, json!(true)));
        assert!(verified(Preset::Apple, json!("true")));
        for said in [
            json!(false),
            json!("false"),
            json!(1),
            json!("True"),
            json!(null),
            json!([true]),
        ] {
            assert!(!verified(Preset::Oidc, said.clone()), "{said}");
        }
        assert!(!verified(Preset::Microsoft, json!(true)));
        assert!(!of(Preset::Oidc, &[], json!({"email_verified": true})).email_verified);
        let no_address = json!({"email": "Ada <a@example.org>", "email_verified": true});
        assert!(!of(Preset::Oidc, &[], no_address).email_verified);
    }

    #[test]
    fn what_no_account_could_have_is_left_out() {
        for picture in [
            "http://a.example/p",
            "javascript:alert(1)",
            "data:image/png,x",
            "//a.example/p",
            "p.png",
        ] {
            assert_eq!(
                of(Preset::Oidc, &[], json!({"picture": picture})).picture,
                None,
                "{picture}"
            );
        }
        let long = format!("https://a.example/{}", "x".repeat(2000));
        let person = of(
            Preset::Oidc,
            &[],
            json!({"picture": long, "name": "x".repeat(201), "email": "no address"}),
        );
        assert_eq!((person.picture, person.name, person.email), (None, None, None));
        let person = of(
            Preset::Oidc,
            &[],
            json!({"name": "a\u{0}b", "picture": "https://a.example/p"}),
        );
        assert_eq!(person.name, None);
        assert_eq!(person.picture.as_deref(), Some("https://a.example/p"));
    }

    #[test]
    fn a_hosted_domain_is_googles_alone() {
        let said = json!({"hd": "example.org"});
        assert_eq!(
            of(Preset::Google, &[], said.clone()).hosted_domain.as_deref(),
            Some("example.org")
        );
        assert_eq!(of(Preset::Oidc, &[], said).hosted_domain, None);
    }

    #[test]
    fn a_subject_is_a_text_or_a_whole_number() {
        let of = |said: Value| subject(&object(json!({"sub": said})), &settings(Preset::OAuth2, &[]));
        assert_eq!(of(json!(42)), Ok("42".to_owned()));
        assert_eq!(of(json!("a")), Ok("a".to_owned()));
        for said in [
            json!(""),
            json!(null),
            json!(4.2),
            json!(true),
            json!({}),
            json!("x".repeat(256)),
            json!("a\n"),
        ] {
            assert_eq!(of(said.clone()), Err(ProfileFault::NoSubject), "{said}");
        }
    }

    #[test]
    fn endless_claims_are_not_kept() {
        let said = object(json!({"filler": "x".repeat(MAX_CLAIMS)}));
        let refused = person(said, &settings(Preset::Oidc, &[]));
        assert!(matches!(refused, Err(ProfileFault::TooLong)));
    }

    #[test]
    fn a_person_is_not_printed() {
        let printed = format!("{:?}", of(Preset::Oidc, &[], json!({"name": "Ada"})));
        assert_eq!(printed, "Person");
    }
}
