//! Families that are looked at without being used, and families ended on purpose.

use signet::domain::refresh_token::Rotation;
use signet::storage::Statements;
use signet::storage::token_families::{self, EndReason, Presentation};

use super::{answer, policy, stored};
use crate::support::database;
use crate::support::grants::{ENDINGS, Granter, at, offline, rotating, start};

#[tokio::test]
async fn introspection_sees_the_head_and_what_the_retry_window_still_accepts_and_uses_nothing() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let family = granter.family(&db, &rotating()).await;
        let stranger = Granter::new(&sql).await;
        let live = async |client: &Granter, serial, seconds| {
            let presented = Presentation {
                family,
                serial,
                client: &client.client,
            };
            token_families::find_live(&db, &presented, at(seconds), policy().retry_window)
                .await
                .expect("asked")
                .map(|token| token.expires_at)
        };
        let idle = policy().idle_ttl;
        assert_eq!(live(&granter, 1, 5).await, Some(start() + idle));
        assert_eq!(live(&stranger, 1, 5).await, None);
        assert_eq!(live(&granter, 2, 5).await, None);
        answer(&db, &granter, family, 1, 10).await;
        answer(&db, &granter, family, 2, 20).await;
        let before = stored(&sql, family).await;
        for (serial, seconds, expected) in [
            (3, 39, true),
            (2, 49, true),
            (2, 50, false),
            (1, 39, true),
            (1, 40, false),
            (4, 39, false),
        ] {
            let expected = expected.then(|| at(20) + idle);
            assert_eq!(
                live(&granter, serial, seconds).await,
                expected,
                "{serial} at {seconds}"
            );
        }
        assert_eq!(stored(&sql, family).await, before);
        for (what, end, restore) in ENDINGS {
            granter.change(&sql, end).await;
            assert_eq!(live(&granter, 3, 20).await, None, "{what}");
            granter.change(&sql, restore).await;
        }
        // The row's fixed end, where that comes first.
        sql.execute(
            "UPDATE token_families SET expires_at = $2 WHERE id = $1",
            &[family.as_uuid(), &at(90)],
        )
        .await
        .expect("shortened");
        assert_eq!(live(&granter, 3, 89).await, Some(at(90)));
        assert_eq!(live(&granter, 3, 90).await, None);
    }
}

#[tokio::test]
async fn a_family_is_revoked_by_its_own_client_alone() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let family = granter.family(&db, &offline()).await;
        let stranger = Granter::new(&sql).await;
        for (client, revoked) in [
            (&stranger.client, false),
            (&granter.client, true),
            (&granter.client, false),
        ] {
            let ended = token_families::revoke(&db, family, client, at(1), EndReason::Revoked).await;
            assert_eq!(ended.expect("asked"), revoked);
        }
        assert_eq!(stored(&sql, family).await.ended_at, Some(at(1)));
        assert_eq!(
            answer(&db, &granter, family, 1, 2).await,
            (Rotation::Refused, None)
        );
    }
}

#[tokio::test]
async fn families_end_by_session_user_and_client() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let elsewhere = granter.elsewhere(&sql).await;
        let mine = [
            granter.family(&db, &offline()).await,
            granter.family(&db, &rotating()).await,
            elsewhere.family(&db, &offline()).await,
        ];
        let others = Granter::new(&sql).await;
        let others_family = others.family(&db, &offline()).await;
        let living = async || {
            let mut living = Vec::new();
            for family in mine {
                living.push(stored(&sql, family).await.ended_at.is_none());
            }
            living
        };
        let (user, reason) = (granter.user, EndReason::Withdrawn);
        let ended = token_families::end_of_user(&db, user, Some(&others.client), at(1), reason).await;
        assert_eq!(ended.expect("ended"), 0);
        let ended = token_families::end_of_session(&db, granter.session, at(1), EndReason::Operator).await;
        assert_eq!(ended.expect("ended"), 2);
        assert_eq!(living().await, [false, false, true]);
        let ended = token_families::end_of_user(&db, user, Some(&granter.client), at(1), reason).await;
        assert_eq!(ended.expect("ended"), 1);
        let ended = token_families::end_of_user(&db, user, None, at(2), reason).await;
        assert_eq!(ended.expect("ended"), 0);
        let ended = token_families::end_of_user(&db, others.user, None, at(2), reason).await;
        assert_eq!(ended.expect("ended"), 1);
        let reasons = sql
            .query(
                "SELECT DISTINCT ended_reason FROM token_families WHERE user_id IN ($1, $2) ORDER BY 1",
                &[user.as_uuid(), others.user.as_uuid()],
            )
            .await
            .expect("asked");
        let reasons: Vec<&str> = reasons.iter().map(|row| row.get(0)).collect();
        assert_eq!(reasons, ["operator", "withdrawn"]);
        assert_eq!(stored(&sql, others_family).await.ended_at, Some(at(2)));
    }
}
