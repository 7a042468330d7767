//! What is asked of ten thousand histories, and of how others do it.

use std::cell::Cell;
use std::sync::Mutex;

use chrono::TimeDelta;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::history::histories;
use super::peers::{Habit, Part};
use super::world::{Broken, Seen, live};

const HISTORIES: u32 = 10_000;

/// How many histories are enough to find somebody out.
const A_FEW: u32 = 2_000;

fn runner(cases: u32, seed: u8, shrinks: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

#[test]
fn nothing_that_happens_breaks_a_verifier_that_obeys_caching() {
    let seen = Mutex::new(Seen::default());
    let part = |seed| {
        let outcome = runner(HISTORIES / 2, seed, 20_000).run(&histories(), |history| {
            let lived = live(&history, Habit::Signet);
            let lived = lived.map_err(|broken| TestCaseError::fail(format!("{broken:?}")))?;
            seen.lock().expect("not poisoned").add(lived);
            Ok(())
        });
        // The smallest history that there is to it.
        if let Err(TestError::Fail(reason, history)) = outcome {
            panic!("{reason}: {history:#?}");
        }
    };
    std::thread::scope(|scope| {
        let parts = [1, 2].map(|seed| scope.spawn(move || part(seed)));
        for done in parts {
            done.join().expect("no history breaks anything");
        }
    });
    // Histories in which nothing happens would prove nothing.
    let mut seen = seen.into_inner().expect("not poisoned");
    println!("{seen:?}");
    for (what, count) in seen.counts() {
        assert!(*count >= 1_000, "{what}: {count}");
    }
}

/// Whether a few histories find this broken where keys are changed by `habit`.
fn breaks(habit: Habit, what: Broken) -> bool {
    let found = Cell::new(false);
    let outcome = runner(A_FEW, 3, 0).run(&histories(), |history| {
        let broken = live(&history, habit).is_err_and(|violation| violation.what == what);
        found.set(found.get() || broken);
        // One that is found out needs no further history.
        if broken {
            Err(TestCaseError::fail("broken"))
        } else {
            Ok(())
        }
    });
    outcome.is_err() && found.get()
}

#[test]
fn who_signs_at_once_with_a_new_key_is_found_out() {
    assert!(breaks(Habit::SignAtOnce, Broken::UnknownKid));
}

#[test]
fn who_removes_a_key_at_a_fixed_age_is_found_out() {
    let age = Habit::RemoveAfter(TimeDelta::minutes(5));
    assert!(breaks(age, Broken::KeyLeft));
}

#[test]
fn a_schedule_that_forgets_any_of_its_parts_is_found_out() {
    for part in [Part::Poll, Part::Caches, Part::SecondCache, Part::Skew] {
        assert!(breaks(Habit::Forgets(part), Broken::UnknownKid), "{part:?}");
    }
    for part in [Part::Poll, Part::Skew] {
        assert!(breaks(Habit::Forgets(part), Broken::KeyLeft), "{part:?}");
    }
}
