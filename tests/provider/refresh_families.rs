//! Token families on a real PostgreSQL: the table of the refresh, its races, its plans, its size.

mod endings;
mod growth;
mod history;
mod plans;
mod races;

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::ids::FamilyId;
use signet::domain::refresh_token::{FamilyState, RefreshPolicy, Rotation};
use signet::storage::authorization_codes::NewFamily;
use signet::storage::token_families::{self, Presentation, RefreshOutcome, Wanted};
use signet::storage::{Db, Statements};
use tokio_postgres::Client as Connection;

use crate::support::database;
use crate::support::grants::{ENDINGS, Granter, at, offline, rotating, start};

fn policy() -> RefreshPolicy {
    RefreshPolicy {
        retry_window: TimeDelta::seconds(30),
        recovery_window: TimeDelta::hours(24),
        idle_ttl: TimeDelta::days(14),
        ttl: TimeDelta::days(90),
    }
}

async fn rotate(
    db: &Db,
    granter: &Granter,
    family: FamilyId,
    serial: i64,
    now: DateTime<Utc>,
) -> RefreshOutcome {
    let presented = Presentation {
        family,
        serial,
        client: &granter.client,
    };
    token_families::rotate(db, &presented, Wanted::default(), 1, now, &policy())
        .await
        .expect("asked")
}

/// The rotation and the serial that is answered with.
async fn answer(
    db: &Db,
    granter: &Granter,
    family: FamilyId,
    serial: i64,
    seconds: i64,
) -> (Rotation, Option<i64>) {
    let outcome = rotate(db, granter, family, serial, at(seconds)).await;
    match &outcome {
        RefreshOutcome::Issued { rotation, head, .. } => (*rotation, Some(*head)),
        other => (other.rotation(), None),
    }
}

/// The row, as the pure function knows it.
async fn stored(sql: &Connection, family: FamilyId) -> FamilyState {
    let row = sql
        .query_one("SELECT * FROM token_families WHERE id = $1", &[family.as_uuid()])
        .await
        .expect("the family is there");
    FamilyState {
        rotates: row.get("rotates"),
        head: row.get("head"),
        prev: row.get("prev"),
        prev_at: row.get("prev_at"),
        advanced_at: row.get("advanced_at"),
        prev2: row.get("prev2"),
        prev2_at: row.get("prev2_at"),
        idle_expires_at: row.get("idle_expires_at"),
        expires_at: row.get("expires_at"),
        ended_at: row.get("ended_at"),
    }
}

async fn thefts(sql: &Connection, family: FamilyId) -> i64 {
    sql.query_one(
        "SELECT count(*) FROM events WHERE kind = 'refresh_theft' AND subject_id = $1",
        &[family.as_uuid()],
    )
    .await
    .expect("counted")
    .get(0)
}

#[tokio::test]
async fn a_refresh_gives_what_the_code_gave_and_a_retry_the_key_version_of_its_head() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let family = granter.family(&db, &rotating()).await;
        let presented = Presentation {
            family,
            serial: 1,
            client: &granter.client,
        };
        let live = token_families::find_live(&db, &presented, at(1), policy().retry_window)
            .await
            .expect("asked")
            .expect("live");
        for (key_version, rotation) in [(7, Rotation::Advanced), (8, Rotation::Retried)] {
            let outcome =
                token_families::rotate(&db, &presented, Wanted::default(), key_version, at(1), &policy())
                    .await;
            let expected = RefreshOutcome::Issued {
                rotation,
                head: 2,
                head_kv: 7,
                grant: live.grant.clone(),
            };
            assert_eq!(outcome.expect("asked"), expected);
        }
        assert_eq!(live.grant.scopes.to_string(), "openid email offline_access");
        assert_eq!(live.grant.nonce, None);
    }
}

#[tokio::test]
async fn without_ground_to_stand_on_a_refresh_is_refused_and_changes_nothing() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let online = granter.family(&db, &rotating()).await;
        let survivor = granter.family(&db, &offline()).await;
        let before = [stored(&sql, online).await, stored(&sql, survivor).await];
        for (what, end, restore) in ENDINGS {
            granter.change(&sql, end).await;
            assert_eq!(
                answer(&db, &granter, online, 1, 1).await,
                (Rotation::Refused, None),
                "{what}"
            );
            if what != "the session has ended" {
                assert_eq!(
                    answer(&db, &granter, survivor, 1, 1).await,
                    (Rotation::Refused, None),
                    "{what}"
                );
            }
            granter.change(&sql, restore).await;
        }
        let stranger = Granter::new(&sql).await;
        for serial in [0, 1, 2] {
            assert_eq!(
                answer(&db, &stranger, online, serial, 1).await,
                (Rotation::Refused, None),
                "another client's token of serial {serial}"
            );
        }
        let unknown = FamilyId::from(*granter.user.as_uuid());
        assert_eq!(
            answer(&db, &granter, unknown, 1, 1).await,
            (Rotation::Refused, None)
        );
        let idle = 14 * 86_400;
        assert_eq!(
            answer(&db, &granter, online, 1, idle).await,
            (Rotation::Refused, None),
            "idle"
        );
        assert_eq!(before, [stored(&sql, online).await, stored(&sql, survivor).await]);

        granter.change(&sql, ENDINGS[3].1).await;
        let logged_out = answer(&db, &granter, survivor, 1, 1).await;
        assert_eq!(
            logged_out,
            (Rotation::Advanced, Some(2)),
            "offline access survives a logout"
        );
        granter.change(&sql, ENDINGS[3].2).await;
        granter.change(&sql, "UPDATE sessions SET expires_at = created_at, idle_expires_at = created_at WHERE id = '{session}'").await;
        let last = start() + TimeDelta::seconds(idle) - TimeDelta::microseconds(1);
        let outcome = rotate(&db, &granter, online, 1, last).await;
        assert_eq!(
            outcome.rotation(),
            Rotation::Advanced,
            "a session that expired has not ended"
        );

        let short = NewFamily {
            expires_at: at(100),
            ..rotating()
        };
        let short = granter.family(&db, &short).await;
        assert_eq!(
            answer(&db, &granter, short, 1, 100).await,
            (Rotation::Refused, None),
            "expired"
        );
        assert_eq!(
            answer(&db, &granter, short, 1, 99).await,
            (Rotation::Advanced, Some(2))
        );
        let bound = granter.family(&db, &rotating()).await;
        sql.execute(
            "UPDATE token_families SET jkt = 'x' WHERE id = $1",
            &[bound.as_uuid()],
        )
        .await
        .expect("bound to a key");
        assert_eq!(
            answer(&db, &granter, bound, 1, 1).await,
            (Rotation::Refused, None),
            "bound to a key"
        );
    }
    let events = sql.query("SELECT FROM events", &[]).await.expect("asked");
    assert!(events.is_empty(), "none of that is a theft");
}

#[tokio::test]
async fn a_stolen_token_ends_its_family_its_session_and_the_sessions_other_families() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let family = granter.family(&db, &rotating()).await;
        let sibling = granter.family(&db, &rotating()).await;
        let offline_sibling = granter.family(&db, &offline()).await;
        let elsewhere = granter.elsewhere(&sql).await;
        let other_browser = elsewhere.family(&db, &rotating()).await;
        for (serial, seconds) in [(1, 10), (2, 20), (3, 30)] {
            let expected = (Rotation::Advanced, Some(serial + 1));
            assert_eq!(answer(&db, &granter, family, serial, seconds).await, expected);
        }
        let healthy = stored(&sql, family).await;
        assert_eq!(
            answer(&db, &granter, family, 2, 49).await,
            (Rotation::Retried, Some(4))
        );
        assert_eq!(
            answer(&db, &granter, family, 2, 50).await,
            (Rotation::Theft, None),
            "W is over"
        );

        let expected = FamilyState {
            ended_at: Some(at(50)),
            ..healthy
        };
        assert_eq!(
            stored(&sql, family).await,
            expected,
            "the rest of the row stays as it was"
        );
        assert_eq!(thefts(&sql, family).await, 1);
        for (family, head) in [(family, 4), (sibling, 1), (offline_sibling, 1)] {
            assert_eq!(
                answer(&db, &granter, family, head, 51).await,
                (Rotation::Refused, None)
            );
        }
        assert_eq!(thefts(&sql, family).await, 1, "told once");
        assert!(
            granter.try_code(&db, 3, None).await.is_none(),
            "the session gives no new code"
        );
        let row = sql
            .query_one(
                "SELECT s.ended_at, s.ended_reason, u.epoch, u.disabled_at IS NULL AS enabled
                 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1",
                &[granter.session.as_uuid()],
            )
            .await
            .expect("the session is there");
        assert_eq!(row.get::<_, Option<DateTime<Utc>>>("ended_at"), Some(at(50)));
        assert_eq!(row.get::<_, Option<&str>>("ended_reason"), Some("theft"));
        assert!(
            row.get::<_, i64>("epoch") == 3 && row.get("enabled"),
            "the user goes on"
        );
        let elsewhere = answer(&db, &elsewhere, other_browser, 1, 51).await;
        assert_eq!(
            elsewhere,
            (Rotation::Advanced, Some(2)),
            "in another browser nothing happened"
        );
    }
}

#[tokio::test]
async fn a_theft_after_the_logout_still_ends_the_sessions_offline_families() {
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    let granter = Granter::new(&sql).await;
    let family = granter.family(db, &offline()).await;
    let sibling = granter.family(db, &offline()).await;
    granter.change(&sql, ENDINGS[3].1).await;
    assert_eq!(
        answer(db, &granter, family, 1, 1).await,
        (Rotation::Advanced, Some(2))
    );
    assert_eq!(
        answer(db, &granter, family, 2, 2).await,
        (Rotation::Advanced, Some(3))
    );
    assert_eq!(answer(db, &granter, family, 1, 60).await, (Rotation::Theft, None));
    assert_eq!(
        answer(db, &granter, sibling, 1, 61).await,
        (Rotation::Refused, None)
    );
    let row = sql
        .query_one(
            "SELECT ended_at FROM sessions WHERE id = $1",
            &[granter.session.as_uuid()],
        )
        .await
        .expect("the session is there");
    assert_eq!(
        row.get::<_, Option<DateTime<Utc>>>(0),
        Some(start()),
        "it ended at the logout"
    );
}
