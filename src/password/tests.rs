use std::sync::mpsc;

use futures_util::poll;
use tokio::task::JoinSet;

use super::argon2id::Memory;
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

/// Keeps a thread busy until it is dropped.
struct Held(#[expect(dead_code, reason = "dropping it is what counts")] mpsc::Sender<()>);

/// Has every thread of `hasher` busy.
async fn hold(hasher: &Hasher, threads: usize) -> Vec<Held> {
    let mut held = Vec::new();
    for _ in 0..threads {
        let (release, released) = mpsc::channel();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let pool = Arc::clone(&hasher.pool);
        tokio::spawn(async move {
            pool.ask(move |_: &mut Memory| {
                let _ = begin.send(());
                let _ = released.recv();
                Ok(())
            })
            .await
        });
        begun.await.expect("a thread takes the job");
        held.push(Held(release));
    }
    held
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
        "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
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

/// The figures of the real thing: OWASP's parameters, far more logins than two threads can do in time.
#[tokio::test]
async fn in_a_storm_of_logins_some_are_refused_and_the_runtime_stays_awake() {
    let params = HashParams {
        memory_kib: 19456,
        iterations: 2,
        parallelism: 1,
    };
    let hasher = Hasher::start(&HasherSettings {
        params,
        threads: 2,
        queue_timeout: Duration::from_millis(150),
        queue_length: 100,
    })
    .expect("fair settings");
    let hash = hasher.hash(&password(), salt()).await.expect("a hash");
    let mut logins = JoinSet::new();
    for _ in 0..40 {
        let (hasher, hash) = (hasher.clone(), hash.clone());
        logins.spawn(async move { hasher.verify(&password(), Some(&hash)).await });
    }
    // The runtime of this test has one thread: with that blocked, no timer would fire between the hashes.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(hasher.counts().hashes < 1 + 40, "they are not all done yet");
    let (mut right, mut busy) = (0, 0);
    while let Some(login) = logins.join_next().await {
        match login.expect("no panic") {
            Ok(verification) => {
                assert_eq!(verification, Verification::Right { outdated: false });
                right += 1;
            }
            Err(error) => {
                assert_eq!(error.retry_after, Duration::from_secs(1));
                busy += 1;
            }
        }
    }
    assert_eq!(right + busy, 40);
    assert!(right > 0 && busy > 0, "{right} right, {busy} refused");
    let counts = hasher.counts();
    assert_eq!((counts.hashes, counts.shed, counts.waiting), (1 + right, busy, 0));
}

#[tokio::test]
async fn a_job_that_waited_too_long_is_not_worked() {
    let queue_timeout = Duration::from_millis(500);
    let hasher = Hasher::start(&HasherSettings {
        queue_timeout,
        ..settings()
    })
    .expect("fair settings");
    let held = hold(&hasher, 1).await;
    let (late, password) = (hasher.clone(), password());
    let mut late = Box::pin(late.verify(&password, None));
    assert!(poll!(&mut late).is_pending());
    tokio::time::sleep(queue_timeout * 2).await;
    drop(held);
    assert!(late.await.is_err());
    assert_eq!((hasher.counts().hashes, hasher.counts().shed), (0, 1));
    assert_eq!(hasher.verify(&password, None).await, Ok(Verification::Wrong));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_forgets_who_has_gone() {
    let hasher = Hasher::start(&HasherSettings {
        queue_length: 2,
        queue_timeout: Duration::from_secs(60),
        ..settings()
    })
    .expect("fair settings");
    let held = hold(&hasher, 1).await;
    let password = password();
    let mut first = Box::pin(hasher.verify(&password, None));
    let mut second = Box::pin(hasher.verify(&password, None));
    assert!(poll!(&mut first).is_pending());
    assert!(poll!(&mut second).is_pending());
    let busy = Busy {
        retry_after: Duration::from_secs(60),
    };
    assert_eq!(hasher.verify(&password, None).await, Err(busy));
    assert_eq!((hasher.counts().waiting, hasher.counts().shed), (2, 1));

    drop(first);
    let mut third = Box::pin(hasher.verify(&password, None));
    assert!(poll!(&mut third).is_pending());
    assert_eq!((hasher.counts().waiting, hasher.counts().skipped), (2, 1));
    drop(held);
    assert_eq!(second.await, Ok(Verification::Wrong));
    assert_eq!(third.await, Ok(Verification::Wrong));
    assert_eq!((hasher.counts().hashes, hasher.counts().shed), (2, 1));
}

#[tokio::test]
async fn nobody_is_hashed_for_who_has_gone() {
    let hasher = hasher(LEAST);
    let held = hold(&hasher, 1).await;
    let password = password();
    for _ in 0..5 {
        let mut gone = Box::pin(hasher.verify(&password, None));
        assert!(poll!(&mut gone).is_pending());
    }
    assert_eq!(hasher.counts().waiting, 5);
    drop(held);
    assert_eq!(hasher.verify(&password, None).await, Ok(Verification::Wrong));
    let counts = hasher.counts();
    assert_eq!((counts.hashes, counts.skipped, counts.shed), (1, 5, 0));
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_no_thread() {
    let hasher = hasher(LEAST);
    let broken = hasher.pool.ask::<(), _>(|_| panic!("as a dependency may")).await;
    assert!(broken.is_err());
    assert_eq!(hasher.verify(&password(), None).await, Ok(Verification::Wrong));
}

#[tokio::test]
async fn the_threads_end_with_the_last_clone() {
    let settings = HasherSettings {
        threads: 3,
        ..settings()
    };
    let (hasher, threads) = Hasher::start_with_threads(&settings).expect("fair settings");
    let clone = hasher.clone();
    drop(hasher);
    assert_eq!(clone.verify(&password(), None).await, Ok(Verification::Wrong));
    assert!(threads.iter().all(|thread| !thread.is_finished()));
    drop(clone);
    let (ended, all_ended) = mpsc::channel();
    std::thread::spawn(move || {
        for thread in threads {
            thread.join().expect("no panic");
        }
        let _ = ended.send(());
    });
    let ended = tokio::task::spawn_blocking(move || all_ended.recv_timeout(Duration::from_secs(10)));
    ended.await.expect("no panic").expect("the threads end");
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

#[tokio::test]
async fn a_password_is_judged_on_the_same_threads() {
    let hasher = hasher(LEAST);
    let held = hold(&hasher, 1).await;
    let password = Password::presented("zyxomma.quuxley");
    let known = ["zyxomma.quuxley@example.org"];
    let mut judged = Box::pin(hasher.judge(&password, &known));
    assert!(poll!(&mut judged).is_pending());
    assert_eq!(hasher.counts().waiting, 1);
    drop(held);
    let strength = judged.await.expect("an idle thread");
    assert!(strength.score < 2, "{strength:?}");
    assert_eq!(hasher.counts().hashes, 0);
}
