//! The vectors were made by Node's and Python's own libraries; that of Firebase is the one that it publishes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::password::{HashParams, Hasher, HasherSettings};

const PASSWORD: &str = "correct horse battery";
/// A ligature, which NFKC writes as two letters.
const LIGATURE: &str = "correct horse ﬁsh";

fn hasher() -> Hasher {
    Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
        },
        threads: 1,
        queue_timeout: Duration::from_secs(60),
        queue_length: 10,
    })
    .expect("fair settings")
}

fn base64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("base64")
}

/// The project of Firebase's published vector.
fn firebase() -> FirebaseParams {
    FirebaseParams {
        signer_key: base64(
            "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==",
        )
        .into(),
        salt_separator: base64("Bw=="),
        rounds: 8,
        mem_cost: 14,
    }
}

fn firebase_hash() -> PasswordHash {
    let hash =
        base64("lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==");
    of_firebase(&firebase(), &base64("42xEC+ixf3L2lw=="), &hash).expect("a hash of the project")
}

#[tokio::test]
async fn the_hashes_of_others_verify_and_are_to_be_replaced() {
    let keycloak = |digest, rounds, hash| {
        pbkdf2(digest, rounds, b"0123456789abcdef", &base64(hash)).expect("a hash of Keycloak")
    };
    let text = |text: &str| of_text(text).expect("a hash that is known");
    let hasher = hasher();
    for (stored, password) in [
        (
            text(
                "00112233445566778899aabbccddeeff:73dd3ac489ddaa9036a34fbda2726495480ad232f996d1ca9feedec58ba139cd78a682f09a809f00db7d3c41f6d9029c1915d47627cae49ea6dd00bf937549aa",
            ),
            LIGATURE,
        ),
        (
            text("$scrypt$ln=10,r=8,p=2$TmFDbA$7fwG5NyjP0RbP7FnpSrOpKFbn4THbbVB+sRO+MNwQJY"),
            "user1password",
        ),
        (
            text("pbkdf2_sha256$6000$u7mPSnRQ2Zy5Pz3xZ1mT9q$tFRx0SS7suuDGbieCDVcdjS3h2JAqmYUBHrQVhgGj8M="),
            PASSWORD,
        ),
        (
            text("pbkdf2_sha1$3000$saltsalt$t6PoCTgSKSBm7qwF0l+lUUeIouc="),
            PASSWORD,
        ),
        (
            keycloak(Digest::Sha1, 5000, "l3PwPHgh2XfokA6lw9tcQZnp5NE="),
            LIGATURE,
        ),
        (
            keycloak(
                Digest::Sha256,
                2750,
                "2iKfUUbWyLDcg+Pf+503VBSVgObDFwSStsCdR7rMkx/ePopZOw7QnZhOFvBHdoujgwx0LpjBuNQ9OgPWAg/3ZA==",
            ),
            LIGATURE,
        ),
        (
            keycloak(
                Digest::Sha512,
                2100,
                "nCvlA6ZtAsUE2yi7TFnlooE8RpBxtGdfEIkqxHh1PxhlbEecT4U5vPVFv39cgDjigbRpRWqH9SJuFlOmjv5q3Q==",
            ),
            LIGATURE,
        ),
        (firebase_hash(), "user1password"),
        (
            text("$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo."),
            PASSWORD,
        ),
        (
            text("$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"),
            PASSWORD,
        ),
        (
            text("bcrypt$$2y$06$abcdefghijklmnopqrstuu50eFBEC8vQwBnuFXMHE45jBnqvQ8xz."),
            PASSWORD,
        ),
        (
            text("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i"),
            &"x".repeat(80),
        ),
        (
            text("$2b$04$abcdefghijklmnopqrstuu3/21Xi90YxT6pnMyiBANB6qaooR5sY."),
            LIGATURE,
        ),
        (
            text("argon2$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8"),
            "password",
        ),
    ] {
        let ask = async |password: &str| {
            let password = Password::presented(password);
            hasher
                .verify(&password, Some(&stored))
                .await
                .expect("an idle thread")
        };
        assert_eq!(
            ask(password).await,
            Verification::Right { outdated: true },
            "{}",
            stored.as_str()
        );
        assert_eq!(
            ask("correct horse").await,
            Verification::Wrong,
            "{}",
            stored.as_str()
        );
    }
}

#[test]
fn the_secret_of_a_firebase_project_does_not_rest() {
    let stored = firebase_hash();
    let (_, hash) = stored.as_str().rsplit_once('$').expect("it has parts");
    let secret = &firebase().signer_key;
    assert!(
        !base64(&format!("{hash}=="))
            .windows(8)
            .any(|part| secret.windows(8).any(|it| it == part))
    );
    assert_eq!(
        of_firebase(&firebase(), b"salt", b"too short"),
        Err(UnusableHash::Malformed("Firebase scrypt"))
    );
    let absurd = FirebaseParams {
        mem_cost: 24,
        ..firebase()
    };
    assert_eq!(
        of_firebase(&absurd, b"salt", &[0; 64]),
        Err(UnusableHash::TooDear("scrypt"))
    );
}

#[test]
fn what_is_absurd_or_unknown_is_refused_with_the_reason() {
    use UnusableHash::{Malformed, TooDear, Unknown};
    let hash = "AAAAAAAAAAAAAAAAAAAAAA";
    for (text, reason) in [
        (String::new(), Unknown),
        ("hunter2".to_owned(), Unknown),
        ("5f4dcc3b5aa765d61d8327deb882cf99".to_owned(), Unknown),
        ("$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/".to_owned(), Unknown),
        (
            "bcrypt_sha256$$2b$12$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.".to_owned(),
            Unknown,
        ),
        (
            "$2x$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.".to_owned(),
            Malformed("bcrypt"),
        ),
        (
            "$2b$05$äbcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnE.".to_owned(),
            Malformed("bcrypt"),
        ),
        (
            "$2b$16$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.".to_owned(),
            TooDear("bcrypt"),
        ),
        (format!("$scrypt$ln=20,r=8,p=1$c2FsdA${hash}"), TooDear("scrypt")),
        (format!("$scrypt$ln=14,r=16,p=9$c2FsdA${hash}"), TooDear("scrypt")),
        (
            format!("$scrypt$ln=1,r=4294967295,p=4294967295$c2FsdA${hash}"),
            TooDear("scrypt"),
        ),
        (format!("$scrypt$ln=14,r=8$c2FsdA${hash}"), Malformed("scrypt")),
        (
            format!("$scrypt$ln=14,r=8,p=+1$c2FsdA${hash}"),
            Malformed("scrypt"),
        ),
        (
            "$scrypt$ln=14,r=8,p=1$c2FsdA$AAAA".to_owned(),
            Malformed("scrypt"),
        ),
        (
            format!("pbkdf2_sha256$999999999$salt${hash}=="),
            TooDear("PBKDF2"),
        ),
        (format!("pbkdf2_sha256$0$salt${hash}=="), Malformed("PBKDF2")),
        (
            format!("$argon2id$v=19$m=262145,t=1,p=1$c29tZXNhbHQ${hash}"),
            TooDear("argon2"),
        ),
        (
            format!("$argon2id$v=19$m=65536,t=17,p=1$c29tZXNhbHQ${hash}"),
            TooDear("argon2"),
        ),
        (
            format!("$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ${hash}"),
            TooDear("argon2"),
        ),
        ("$argon2id$v=19$m=8,t=1".to_owned(), Malformed("argon2")),
    ] {
        assert_eq!(of_text(&text), Err(reason), "{text}");
    }
}

proptest! {
    /// What is imported may have been written by anybody.
    #[test]
    fn any_text_is_refused_or_reads_back(text in prop_oneof![
        "\\PC{0,80}",
        "\\$2[abxy]\\$[0-9]{2}\\$[./A-Za-z0-9]{50,54}",
        "\\$(scrypt|firebase-scrypt|pbkdf2-sha256)\\$[a-z0-9=,]{0,30}\\$[A-Za-z0-9+/]{0,12}\\$[A-Za-z0-9+/]{20,24}",
    ]) {
        if let Ok(hash) = of_text(&text) {
            prop_assert!(Foreign::read(&hash).is_some() || hash.as_str().starts_with("$argon2"));
        }
    }
}
