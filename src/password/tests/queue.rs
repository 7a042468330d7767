use std::sync::mpsc;
use std::task::Poll;

use futures_util::poll;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::*;
use crate::password::memory::Memory;

/// Has that many threads busy, each until what is returned for it is dropped.
async fn hold(hasher: &Hasher, threads: usize) -> Vec<mpsc::Sender<()>> {
    let mut held = Vec::new();
    for _ in 0..threads {
        let (release, released) = mpsc::channel();
        let (begin, begun) = oneshot::channel();
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
        held.push(release);
    }
    held
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
        queue_timeout: Duration::from_millis(200),
        queue_length: 100,
    })
    .expect("fair settings");
    let hash = hasher.hash(&password(), salt()).await.expect("a hash");
    let held = hold(&hasher, 2).await;
    let mut logins = JoinSet::new();
    for _ in 0..60 {
        let (hasher, hash) = (hasher.clone(), hash.clone());
        logins.spawn(async move { hasher.verify(&password(), Some(&hash)).await });
    }
    // The runtime of this test has one thread, which goes on while every hashing thread is busy.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(hasher.counts().waiting, 60);
    drop(held);
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
    assert_eq!(right + busy, 60);
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
    let refused = poll!(Box::pin(hasher.verify(&password, None)));
    assert_eq!(refused, Poll::Ready(Err(busy)));
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
    let password = password();
    let next = timeout(Duration::from_secs(10), hasher.verify(&password, None));
    assert_eq!(next.await.expect("the thread goes on"), Ok(Verification::Wrong));
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
