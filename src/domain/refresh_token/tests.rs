mod specification;

use proptest::prelude::*;

use super::*;
use crate::domain::mac::MacKey;
use crate::random::SeededRandom;

fn keys(byte: u8) -> MacKeys {
    MacKeys::new(1, vec![(1, MacKey::new(vec![byte; 32]))]).expect("version 1 is there")
}

fn policy() -> RefreshPolicy {
    RefreshPolicy {
        retry_window: TimeDelta::seconds(30),
        recovery_window: TimeDelta::hours(24),
        idle_ttl: TimeDelta::days(14),
        ttl: TimeDelta::days(90),
    }
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a date")
}

fn new_family(rotates: bool) -> FamilyState {
    FamilyState {
        rotates,
        head: 0,
        prev: None,
        prev_at: None,
        advanced_at: None,
        prev2: None,
        prev2_at: None,
        idle_expires_at: start() + policy().idle_ttl,
        expires_at: start() + policy().ttl,
        ended_at: None,
    }
}

#[test]
fn a_token_reads_back_and_any_other_text_is_forged() {
    let random = SeededRandom::new(7);
    let token = RefreshToken {
        family: FamilyId::generate(&random),
        serial: 41,
        key_version: 1,
    };
    let written = token
        .write("https://id.example", &keys(1))
        .expect("the key is there");
    let text = written.expose();
    assert_eq!(text.len(), REFRESH_TOKEN_PREFIX.len() + ENCODED);
    assert_eq!(
        RefreshToken::read(text, "https://id.example", &keys(1)),
        Ok(token)
    );
    assert_eq!(
        RefreshToken::read(text, "https://other.example", &keys(1)),
        Err(NotARefreshToken::Forged)
    );
    assert_eq!(
        RefreshToken::read(text, "https://id.example", &keys(2)),
        Err(NotARefreshToken::Forged)
    );
    for at in 0..text.len() {
        let mut wrong = text.as_bytes().to_vec();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).expect("ASCII");
        assert!(
            RefreshToken::read(&wrong, "https://id.example", &keys(1)).is_err(),
            "{at}"
        );
    }
    for wrong in [
        format!("{text}="),
        text[..text.len() - 1].to_owned(),
        String::new(),
    ] {
        assert_eq!(
            RefreshToken::read(&wrong, "https://id.example", &keys(1)),
            Err(NotARefreshToken::Forged)
        );
    }
}

#[test]
fn an_unknown_key_version_is_told_apart() {
    let token = RefreshToken {
        family: FamilyId::generate(&SeededRandom::new(7)),
        serial: 0,
        key_version: 2,
    };
    let newer = MacKeys::new(2, vec![(2, MacKey::new(vec![9; 32]))]).expect("version 2 is there");
    let text = token
        .write("https://id.example", &newer)
        .expect("the key is there");
    let read = RefreshToken::read(text.expose(), "https://id.example", &keys(9));
    assert_eq!(read, Err(NotARefreshToken::UnknownKeyVersion));
    assert!(token.write("https://id.example", &keys(9)).is_none());
}

#[test]
fn each_row_of_the_table() {
    let at = |seconds: i64| start() + TimeDelta::seconds(seconds);
    let show = |state: FamilyState, serial, seconds| state.present(serial, true, at(seconds), &policy());

    let (first, outcome) = show(new_family(true), 0, 10);
    assert_eq!(
        (outcome, first.head, first.prev),
        (Rotation::Advanced, 1, Some(0))
    );
    assert_eq!(first.idle_expires_at, at(10) + policy().idle_ttl);
    assert_eq!(
        show(first, 0, 39),
        (first, Rotation::Retried),
        "inside the window, byte for byte the same"
    );
    assert_eq!(show(first, 2, 11), (first, Rotation::Ahead));

    let (branched, outcome) = show(first, 0, 41);
    assert_eq!(
        (outcome, branched.head, branched.prev_at),
        (Rotation::Branched, 2, Some(at(41)))
    );
    assert_eq!(
        branched.idle_expires_at, first.idle_expires_at,
        "a branch does not extend"
    );
    assert_eq!(
        show(branched, 1, 42).1,
        Rotation::Theft,
        "the lost successor is dead"
    );
    assert_eq!(show(branched, 0, 50).1, Rotation::Retried);

    let (second, _) = show(first, 1, 20);
    assert_eq!(
        show(second, 0, 39).1,
        Rotation::Retried,
        "prev2 keeps its own window"
    );
    assert_eq!(show(second, 0, 41).1, Rotation::Theft, "its successor was used");
    assert_eq!(
        show(first, 0, 10 + 24 * 3600).1,
        Rotation::Theft,
        "past the recovery window"
    );

    let (same, outcome) = show(new_family(false), 0, 10);
    assert_eq!((outcome, same.head), (Rotation::Same, 0));
    let (ended, _) = show(second, 0, 41);
    assert_eq!(show(ended, 2, 42), (ended, Rotation::Refused));
    assert_eq!(
        new_family(true).present(0, false, at(1), &policy()).1,
        Rotation::Refused
    );
    let idle = policy().idle_ttl.num_seconds();
    assert_eq!(
        show(new_family(true), 0, idle).1,
        Rotation::Refused,
        "expiry is exclusive"
    );
    assert_eq!(show(new_family(true), 0, idle - 1).1, Rotation::Advanced);
}

/// The rule told the other way round: the list of all mints and their uses, from which the outcome follows.
/// It shares no field with [`FamilyState`].
#[derive(Default)]
struct Model {
    /// For each serial: which serial it was minted for, when, and whether it was ever used to advance.
    mints: Vec<Mint>,
    ended: bool,
}

struct Mint {
    parent: Option<usize>,
    used_at: Option<i64>,
    last_successor_at: i64,
}

impl Model {
    fn new() -> Self {
        Self {
            mints: vec![Mint {
                parent: None,
                used_at: None,
                last_successor_at: 0,
            }],
            ended: false,
        }
    }

    fn present(&mut self, serial: usize, now: i64) -> Rotation {
        if self.ended {
            return Rotation::Refused;
        }
        let head = self.mints.len() - 1;
        if serial > head {
            return Rotation::Ahead;
        }
        if serial == head {
            self.mints[head].used_at = Some(now);
            self.mints[head].last_successor_at = now;
            self.mints.push(Mint {
                parent: Some(head),
                used_at: None,
                last_successor_at: 0,
            });
            return Rotation::Advanced;
        }
        let parent = self.mints[head].parent;
        let grandparent = parent.and_then(|parent| self.mints[parent].parent);
        let recent = now < self.mints[serial].last_successor_at + 30;
        if (Some(serial) == parent || Some(serial) == grandparent) && recent {
            return Rotation::Retried;
        }
        let first_use = self.mints[serial].used_at;
        if Some(serial) == parent && first_use.is_some_and(|used| now < used + 24 * 3600) {
            self.mints[serial].last_successor_at = now;
            self.mints.push(Mint {
                parent: Some(serial),
                used_at: None,
                last_successor_at: 0,
            });
            return Rotation::Branched;
        }
        self.ended = true;
        Rotation::Theft
    }
}

proptest! {
    #[test]
    fn the_state_machine_agrees_with_the_list_of_mints(
        steps in proptest::collection::vec((0usize..4, prop_oneof![0i64..5, 20i64..60, 80_000i64..90_000]), 1..40),
    ) {
        let mut state = new_family(true);
        let mut model = Model::new();
        let mut seconds = 0;
        for (back, pause) in steps {
            seconds += pause;
            let serial = (state.head + 1 - back as i64).max(0);
            let now = start() + TimeDelta::seconds(seconds);
            let (next, outcome) = state.present(serial, true, now, &RefreshPolicy { idle_ttl: TimeDelta::days(60), ttl: TimeDelta::days(90), ..policy() });
            prop_assume!(outcome != Rotation::Refused || model.ended);
            prop_assert_eq!(outcome, model.present(serial as usize, seconds), "serial {} at {}", serial, seconds);
            prop_assert_eq!(next.head as usize, model.mints.len() - 1);
            prop_assert!(next.head >= state.head, "a serial never comes back");
            state = next;
        }
    }

    #[test]
    fn any_interleaving_of_one_tokens_retries_gives_one_successor(pauses in proptest::collection::vec(0i64..2, 1..14)) {
        let mut state = new_family(true);
        let mut seconds = 0;
        let mut heads = std::collections::BTreeSet::new();
        for pause in pauses {
            seconds += pause;
            let now = start() + TimeDelta::seconds(seconds);
            let (next, outcome) = state.present(0, true, now, &policy());
            prop_assert!(matches!(outcome, Rotation::Advanced | Rotation::Retried));
            heads.insert(next.head);
            state = next;
        }
        prop_assert_eq!(heads.into_iter().collect::<Vec<_>>(), vec![1]);
    }
}
