mod queue;

use super::*;
use crate::random::{Random, SeededRandom};

/// argon2's least memory, so that a test costs next to nothing.
const LEAST: HashParams = HashParams {
    memory_kib: 8,
    iterations: 1,
    parallelism: 1,
};

fn settings() -> HasherSettings {
    HasherSettings {
        params: LEAST,
        threads: 1,
        queue_timeout: Duration::from_secs(60),
        queue_length: 100,
    }
}

fn hasher(params: HashParams) -> Hasher {
    let settings = HasherSettings { params, ..settings() };
    Hasher::start(&settings).expect("fair settings")
}

fn salt() -> [u8; SALT_LENGTH] {
    let mut salt = [0; SALT_LENGTH];
    SeededRandom::new(1).fill(&mut salt);
    salt
}

fn password() -> Password {
    Password::presented("password")
}

/// The vectors are those of Argon2's reference implementation.
#[tokio::test]
async fn the_reference_vectors_verify_and_are_outdated_unless_made_as_today() {
    let params = HashParams {
        memory_kib: 256,
        iterations: 2,
        parallelism: 1,
    };
    let hasher = hasher(params);
    for (stored, outdated) in [
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            false,
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            true,
        ),
        (
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
            true,
        ),
        (
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            true,
        ),
        // Of version 0x10, as written before the format had a version.
        (
            "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
            true,
        ),
    ] {
        let stored = PasswordHash::from_stored(stored);
        assert_eq!(
            hasher.verify(&password(), Some(&stored)).await,
            Ok(Verification::Right { outdated }),
            "{}",
            stored.as_str()
        );
        let wrong = Password::presented("Password");
        assert_eq!(
            hasher.verify(&wrong, Some(&stored)).await,
            Ok(Verification::Wrong)
        );
    }
}

#[tokio::test]
async fn a_new_hash_is_a_phc_string_that_others_read() {
    let hasher = hasher(LEAST);
    let hash = hasher.hash(&password(), salt()).await.expect("a hash");
    let text = hash.as_str();
    assert!(text.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{text}");
    let parsed = argon2::PasswordHash::new(text).expect("the PHC format");
    assert_eq!(parsed.salt.as_deref(), Some(&salt()[..]));
    argon2::PasswordVerifier::verify_password(&argon2::Argon2::default(), b"password", &parsed)
        .expect("the crate's own verification agrees");
    assert_eq!(
        hasher.verify(&password(), Some(&hash)).await,
        Ok(Verification::Right { outdated: false })
    );
    let fullwidth = Password::presented("ｐａｓｓｗｏｒｄ");
    assert_eq!(
        hasher.verify(&fullwidth, Some(&hash)).await,
        Ok(Verification::Right { outdated: false })
    );
}

#[tokio::test]
async fn a_hash_is_outdated_when_any_parameter_has_changed() {
    let hash = hasher(LEAST).hash(&password(), salt()).await.expect("a hash");
    for params in [
        HashParams {
            memory_kib: 9,
            ..LEAST
        },
        HashParams {
            iterations: 2,
            ..LEAST
        },
        HashParams {
            memory_kib: 16,
            parallelism: 2,
            ..LEAST
        },
    ] {
        let hasher = hasher(params);
        let right = |outdated| Ok(Verification::Right { outdated });
        assert_eq!(hasher.verify(&password(), Some(&hash)).await, right(true));
        let renewed = hasher.hash(&password(), salt()).await.expect("a hash");
        assert_eq!(hasher.verify(&password(), Some(&renewed)).await, right(false));
    }
}

#[tokio::test]
async fn without_a_hash_that_can_be_verified_the_work_is_that_of_a_present_one() {
    let params = HashParams {
        memory_kib: 32,
        iterations: 3,
        parallelism: 1,
    };
    let hasher = hasher(params);
    let hash = hasher.hash(&password(), salt()).await.expect("a hash");
    let unusable = [
        "",
        "hunter2",
        "$2b$31$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
        "$2b$12$EixZaYVK1fsbw1ZfbX3OXe",
        "$scrypt$ln=30,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$pbkdf2-sha256$i=4294967295$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$pbkdf2-md5$i=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=32,t=3,p=1$c29tZXNhbHRzb21lc2FsdA",
        "$argon2id$v=18$m=32,t=3,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=4194304,t=3,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=32,t=4294967295,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=4096,t=3,p=512$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=4,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    ]
    .map(|text| Some(PasswordHash::from_stored(text)));
    for stored in unusable.into_iter().chain([None, Some(hash)]) {
        let before = hasher.counts();
        let wrong = Password::presented("wrong");
        assert_eq!(
            hasher.verify(&wrong, stored.as_ref()).await,
            Ok(Verification::Wrong)
        );
        let after = hasher.counts();
        assert_eq!(after.hashes - before.hashes, 1);
        assert_eq!(after.filled_kib - before.filled_kib, 32 * 3);
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let with = |change: &dyn Fn(&mut HasherSettings)| {
        let mut settings = settings();
        change(&mut settings);
        Hasher::start(&settings).expect_err("refused").to_string()
    };
    for params in [
        HashParams {
            memory_kib: 7,
            ..LEAST
        },
        HashParams {
            iterations: 0,
            ..LEAST
        },
        HashParams {
            iterations: 65,
            ..LEAST
        },
        HashParams {
            parallelism: 2,
            ..LEAST
        },
        HashParams {
            memory_kib: HashParams::MOST.memory_kib + 1,
            ..LEAST
        },
    ] {
        let error = with(&|settings| settings.params = params);
        assert!(error.starts_with("no password can be hashed with"), "{error}");
    }
    assert!(with(&|settings| settings.threads = 0).contains("a thread"));
    assert!(with(&|settings| settings.queue_length = 0).contains("a queue"));
}

#[tokio::test]
async fn a_thread_keeps_the_memory_of_a_present_hash_and_no_more() {
    let params = HashParams {
        memory_kib: 64,
        ..LEAST
    };
    let hasher = hasher(params);
    let held_blocks = || async {
        let asked = hasher.pool.ask(|memory| Ok(memory.held_blocks()));
        asked.await.expect("an idle thread")
    };
    assert_eq!(held_blocks().await, 0);
    let small = PasswordHash::from_stored("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA");
    let large = PasswordHash::from_stored("$argon2id$v=19$m=4096,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA");
    for stored in [&small, &large, &small] {
        hasher
            .verify(&password(), Some(stored))
            .await
            .expect("an idle thread");
        assert_eq!(held_blocks().await, 64);
    }
    assert_eq!(hasher.counts().filled_kib, 8 + 4096 + 8);
}
