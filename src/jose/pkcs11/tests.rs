//! On a real token, SoftHSM. Each test runs in a process of its own, since a module serves a process once.

use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::process::Command;

use cryptoki::context::Pkcs11;
use cryptoki::object::{Attribute, AttributeType, ObjectClass};

use super::*;
use crate::domain::signing_key::StoredSigningKey;
use crate::jose::keyring::tests::{ed25519, now, policy};
use crate::jose::{KeyRing, PublicJwk, SignError, TokenType};
use crate::random::SeededRandom;

#[path = "../../../tests/support/softhsm.rs"]
mod softhsm;

use softhsm::{PIN, TOKEN, TokenStore};

/// What tells a test that it has been given a process and a store.
const STORE: &str = "SIGNET_TEST_TOKEN_STORE";

/// Runs `test`, which is called `name`, in a process of its own.
fn apart(name: &str, test: impl AsyncFnOnce(&TokenStore)) {
    if let Some(folder) = std::env::var_os(STORE) {
        // The other process removes it.
        let store = ManuallyDrop::new(TokenStore {
            folder: PathBuf::from(folder),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test(&store));
        return;
    }
    let store = TokenStore::new();
    let output = Command::new(std::env::current_exe().expect("this test"))
        .args([&format!("jose::pkcs11::tests::{name}"), "--exact", "--nocapture"])
        .env("SOFTHSM2_CONF", store.configuration())
        .env(STORE, &store.folder)
        .output()
        .expect("it runs again");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    // Not its status: a module that is unloaded while a test's thread still lets go of it may end the process badly.
    assert!(said.contains("1 passed"), "{said}{complaint}");
}

fn settings() -> Pkcs11Settings {
    Pkcs11Settings {
        module: softhsm::module(),
        token: TOKEN.to_owned(),
        pin: Secret::new(PIN),
    }
}

fn token() -> Pkcs11Token {
    Pkcs11Token::start(settings()).expect("a thread")
}

/// A signing key as it rests: its private part at `uri`.
fn stored(algorithm: SigningAlgorithm, uri: &Pkcs11Uri, public: PublicKey) -> StoredSigningKey {
    let jwk = PublicJwk::new(public, algorithm);
    StoredSigningKey {
        kid: jwk.kid.clone(),
        algorithm,
        public_jwk: serde_json::to_value(&jwk).expect("JSON"),
        wrapped: None,
        location: uri.to_string(),
        signing_at: Some(now()),
        ..ed25519(1)
    }
}

async fn ring(token: &Pkcs11Token, algorithm: SigningAlgorithm) -> (KeyRing, Pkcs11Uri) {
    let (uri, public) = token
        .generate(algorithm, &SeededRandom::new(algorithm as u64))
        .await
        .expect("a key");
    let key = stored(algorithm, &uri, public);
    (
        KeyRing::open(vec![key], &[], Some(token), &policy(), now()).expect("opens"),
        uri,
    )
}

/// Signs with the ring, and verifies as the ring does.
async fn sign(ring: &KeyRing, algorithm: SigningAlgorithm) -> Result<(), SignError> {
    let key = ring.signing_key(algorithm, now()).expect("a key is in charge");
    let token = key
        .sign(TokenType::AccessToken, &serde_json::json!({"sub": "someone"}))
        .await?;
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let signature = crate::jose::compact::decode(signature).expect("base64url");
    let verifier = ring.verifier(key.kid()).expect("known");
    assert!(verifier.verifies(signed.as_bytes(), &signature), "{algorithm:?}");
    assert!(!verifier.verifies(b"other", &signature));
    Ok(())
}

fn reason(outcome: Result<(), SignError>) -> Pkcs11Error {
    match outcome {
        Err(SignError::Token(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_algorithm_signs_in_the_token_and_the_key_stays_there() {
    apart(
        "each_algorithm_signs_in_the_token_and_the_key_stays_there",
        async |_| {
            let token = token();
            for algorithm in SigningAlgorithm::ALL {
                let (ring, uri) = ring(&token, algorithm).await;
                sign(&ring, algorithm).await.expect("a signature");
                assert!(ring.unusable().await.is_empty());
                let public = token.public_key(&uri).await.expect("it is there");
                let kid = ring.keys().next().expect("one key").kid.clone();
                assert_eq!(public.thumbprint(), kid);

                let attributes = token
                    .ask(PATIENCE, move |opened| private_attributes(opened, &uri))
                    .await;
                let attributes = attributes.expect("what may be told");
                for told in [
                    Attribute::AlwaysSensitive(true),
                    Attribute::NeverExtractable(true),
                    Attribute::Sign(true),
                ] {
                    assert!(attributes.contains(&told), "{algorithm:?}: {attributes:?}");
                }
                let other_use = match algorithm {
                    SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => Attribute::Decrypt(false),
                    _ => Attribute::Derive(false),
                };
                assert!(attributes.contains(&other_use), "{algorithm:?}: {attributes:?}");
                let secret =
                    |told: &Attribute| matches!(told, Attribute::Value(_) | Attribute::PrivateExponent(_));
                assert!(!attributes.iter().any(secret), "{algorithm:?}: {attributes:?}");
            }
            token.close().await;
        },
    );
}

/// Everything that a token tells of a private key.
fn private_attributes(opened: &Opened, uri: &Pkcs11Uri) -> Result<Vec<Attribute>, Pkcs11Error> {
    let id = uri.id.clone().expect("our keys have ids");
    let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(id)];
    let key = opened.session.find_objects(&template)?[0];
    let asked = [
        AttributeType::AlwaysSensitive,
        AttributeType::NeverExtractable,
        AttributeType::Sign,
        AttributeType::Decrypt,
        AttributeType::Derive,
        AttributeType::Value,
        AttributeType::PrivateExponent,
    ];
    Ok(opened.session.get_attributes(key, &asked)?)
}

#[test]
fn a_token_that_goes_away_and_comes_back_signs_again() {
    apart(
        "a_token_that_goes_away_and_comes_back_signs_again",
        async |store| {
            let algorithm = SigningAlgorithm::Es256;
            let token = token();
            let (ring, uri) = ring(&token, algorithm).await;
            sign(&ring, algorithm).await.expect("it is there");
            store.unplug();
            let error = reason(sign(&ring, algorithm).await);
            assert!(error.is_away(), "{error}");
            let unusable = ring.unusable().await;
            let named = &ring.keys().next().expect("one key").kid;
            assert_eq!(unusable.iter().map(|key| &key.kid).collect::<Vec<_>>(), [named]);
            assert_eq!(token.public_key(&uri).await, Err(error));

            store.plug_in();
            // What was found before holds for a second.
            let back = async {
                while sign(&ring, algorithm).await.is_err() || !ring.unusable().await.is_empty() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, back)
                .await
                .expect("it signs again");
        },
    );
}

#[test]
fn a_session_that_is_lost_is_opened_again_for_the_request_that_notices() {
    apart(
        "a_session_that_is_lost_is_opened_again_for_the_request_that_notices",
        async |_| {
            let algorithm = SigningAlgorithm::EdDsa;
            let token = token();
            let (ring, _) = ring(&token, algorithm).await;
            // The module is one a process, and whoever ends it ends the sessions of all.
            let module = Pkcs11::new(softhsm::module()).expect("the module");
            module.finalize().expect("ended");
            sign(&ring, algorithm).await.expect("a new session");
        },
    );
}

#[test]
fn a_wrong_pin_is_tried_once_and_shown_to_nobody() {
    apart("a_wrong_pin_is_tried_once_and_shown_to_nobody", async |store| {
        let settings = Pkcs11Settings {
            pin: Secret::new("another-pin"),
            ..settings()
        };
        assert!(!format!("{settings:?}").contains("another-pin"));
        let token = Pkcs11Token::start(settings).expect("a thread");
        let error = token.check().await.expect_err("a wrong PIN");
        assert_eq!(error, Pkcs11Error::PinRefused);
        assert!(!format!("{error} {error:?} {token:?}").contains("another-pin"));
        // Now it would be the right one, were it tried again.
        store.tool(&[
            "--init-token",
            "--token",
            TOKEN,
            "--label",
            TOKEN,
            "--so-pin",
            "so-pin",
            "--pin",
            "another-pin",
        ]);
        tokio::time::sleep(connection::PAUSE).await;
        assert_eq!(token.check().await, Err(Pkcs11Error::PinRefused));
    });
}

#[test]
fn another_key_under_the_name_is_not_believed() {
    apart("another_key_under_the_name_is_not_believed", async |_| {
        let token = token();
        for algorithm in SigningAlgorithm::ALL {
            let (uri, _) = token
                .generate(algorithm, &SeededRandom::new(1))
                .await
                .expect("a key");
            let (other, public) = token
                .generate(algorithm, &SeededRandom::new(2))
                .await
                .expect("a key");
            let key = stored(algorithm, &uri, public);
            let ring = KeyRing::open(vec![key], &[], Some(&token), &policy(), now()).expect("opens");
            assert_eq!(
                reason(sign(&ring, algorithm).await),
                Pkcs11Error::WrongKey,
                "{algorithm:?}"
            );
            for uri in [uri, other] {
                token.destroy(&uri).await.expect("destroyed");
                token.destroy(&uri).await.expect("it is gone already");
                let error = token.public_key(&uri).await.expect_err("it is gone");
                assert_eq!(error, Pkcs11Error::NoKey(uri.to_string()));
            }
        }
    });
}

#[test]
fn a_key_is_named_by_what_tells_it_apart() {
    apart("a_key_is_named_by_what_tells_it_apart", async |_| {
        let token = token();
        let algorithm = SigningAlgorithm::Es256;
        let (uri, public) = token
            .generate(algorithm, &SeededRandom::new(1))
            .await
            .expect("a key");
        token
            .generate(algorithm, &SeededRandom::new(2))
            .await
            .expect("a key");
        let parse = |text: &str| Pkcs11Uri::parse(text).expect("a URI");
        let id = uri.to_string();
        let id = id
            .split(';')
            .find(|attribute| attribute.starts_with("id="))
            .expect("an id");
        assert_eq!(
            token
                .public_key(&parse(&format!("pkcs11:{id};object=signet")))
                .await,
            Ok(public.clone())
        );
        assert_eq!(
            token
                .public_key(&parse(&format!("pkcs11:{id};model=SoftHSM%20v2")))
                .await,
            Ok(public)
        );
        for (uri, expected) in [
            ("pkcs11:object=signet".to_owned(), "several"),
            ("pkcs11:object=other".to_owned(), "no key"),
            (format!("pkcs11:{id};token=other"), "another"),
            (format!("pkcs11:{id};serial=0"), "another"),
        ] {
            let error = token.public_key(&parse(&uri)).await.expect_err("it is none");
            assert!(error.to_string().contains(expected), "{uri}: {error}");
        }
    });
}

#[test]
fn what_is_not_there_is_named() {
    apart("what_is_not_there_is_named", async |_| {
        let other = Pkcs11Settings {
            token: "other".to_owned(),
            ..settings()
        };
        let error = Pkcs11Token::start(other)
            .expect("a thread")
            .check()
            .await
            .expect_err("no such token");
        assert_eq!(
            error.to_string(),
            r#"the PKCS#11 token "other" is not there; there are ["signet test"]"#
        );
        for module in ["/nonexistent.so", "/bin/sh", "/etc/passwd"] {
            let settings = Pkcs11Settings {
                module: PathBuf::from(module),
                ..settings()
            };
            let error = Pkcs11Token::start(settings)
                .expect("a thread")
                .check()
                .await
                .expect_err("no module");
            assert!(
                matches!(error, Pkcs11Error::Module { .. }) && error.to_string().contains(module),
                "{error}"
            );
        }
    });
}

#[test]
fn without_a_token_a_key_verifies_and_does_not_sign() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let uri = Pkcs11Uri::parse("pkcs11:object=signet").expect("a URI");
        let key = StoredSigningKey {
            wrapped: None,
            location: uri.to_string(),
            signing_at: Some(now()),
            ..ed25519(1)
        };
        let ring = KeyRing::open(vec![key.clone()], &[], None, &policy(), now()).expect("opens");
        assert_eq!(
            reason(sign(&ring, key.algorithm).await),
            Pkcs11Error::NotConfigured
        );
        assert!(ring.verifier(&key.kid).is_some());
        let unusable = ring.unusable().await;
        assert!(
            unusable[0].to_string().contains("keys.pkcs11_module"),
            "{}",
            unusable[0]
        );
        let malformed = StoredSigningKey {
            location: "pkcs11:".to_owned(),
            ..key
        };
        KeyRing::open(vec![malformed], &[], None, &policy(), now()).expect_err("no key is named");
    });
}

/// Keeps the thread busy until the sender is dropped.
async fn occupy(token: &Pkcs11Token) -> std::sync::mpsc::Sender<()> {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begun, at_work) = oneshot::channel();
    let mut begun = Some(begun);
    let (busy, token) = (std::sync::Mutex::new(released), token.clone());
    tokio::spawn(async move {
        token
            .ask(PATIENCE, move |_| {
                if let Some(begun) = begun.take() {
                    begun.send(()).expect("it is waited for");
                }
                let _ = busy.lock().expect("one thread").recv();
                Ok(())
            })
            .await
    });
    at_work.await.expect("it begins");
    release
}

#[test]
fn who_waits_too_long_or_behind_too_many_is_told() {
    apart("who_waits_too_long_or_behind_too_many_is_told", async |_| {
        let token = token();
        token.check().await.expect("it is there");
        let release = occupy(&token).await;
        let worked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let work = |patience| {
            let worked = Arc::clone(&worked);
            token.ask(patience, move |_| {
                worked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(())
            })
        };
        let patience = Duration::from_millis(20);
        assert_eq!(work(patience).await, Err(Pkcs11Error::Timeout(patience)));
        // The one that gave up has its place still.
        let mut waiting: Vec<_> = (1..QUEUE).map(|_| Box::pin(work(PATIENCE))).collect();
        for asked in &mut waiting {
            assert!(futures_util::poll!(asked).is_pending());
        }
        assert_eq!(work(PATIENCE).await, Err(Pkcs11Error::Busy));
        drop(release);
        for asked in waiting {
            asked.await.expect("it is its turn");
        }
        let worked = worked.load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(worked, QUEUE - 1, "nothing is done for who has given up");
    });
}

#[test]
fn work_that_panics_takes_nobody_else_along() {
    apart("work_that_panics_takes_nobody_else_along", async |_| {
        let token = token();
        let panicked = token
            .ask(PATIENCE, |_| -> Result<(), _> { panic!("on purpose") })
            .await;
        assert_eq!(panicked, Err(Pkcs11Error::NoAnswer));
        token.check().await.expect("the thread lives");
    });
}
