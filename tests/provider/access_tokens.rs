//! Whether an access token still stands, on a real PostgreSQL.

use signet::domain::ids::{FamilyId, TokenId};
use signet::random::SeededRandom;
use signet::storage::access_tokens::{self, RevokedToken, TokenStatus};
use signet::storage::token_families::{self, EndReason};
use signet::storage::{Db, Statements};

use crate::support::database;
use crate::support::grants::{ENDINGS, Granter, at, claims, offline, rotating};

/// A token that expires at 600 and is of no list.
fn alone(seed: u64) -> RevokedToken {
    RevokedToken {
        jti: jti(seed),
        expires_at: at(600),
        status_index: None,
        moves: None,
    }
}

fn jti(seed: u64) -> TokenId {
    TokenId::generate(&SeededRandom::new(seed))
}

async fn status(db: &Db, jti: TokenId, family: FamilyId, granter: &Granter) -> TokenStatus {
    access_tokens::status(
        db,
        jti,
        Some(family),
        Some(granter.session),
        Some(&granter.user.to_string()),
        &granter.client,
    )
    .await
    .expect("asked")
}

#[tokio::test]
async fn a_users_token_lives_while_everything_that_it_stands_on_does() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let online = granter.family(&db, &rotating()).await;
        let survivor = granter.family(&db, &offline()).await;
        let TokenStatus::Live(Some(live)) = status(&db, jti(1), online, &granter).await else {
            panic!("all is well");
        };
        assert_eq!(
            (live.user.id, live.user.email.as_str()),
            (granter.user, "Ada@example.com")
        );
        assert_eq!(live.claims, Some(claims()));
        for (what, end, restore) in ENDINGS {
            granter.change(&sql, end).await;
            assert_eq!(
                status(&db, jti(1), online, &granter).await,
                TokenStatus::Dead,
                "{what}"
            );
            let survives = matches!(
                status(&db, jti(1), survivor, &granter).await,
                TokenStatus::Live(_)
            );
            assert_eq!(survives, what == "the session has ended", "{what}");
            granter.change(&sql, restore).await;
        }
        // A session that merely expired keeps what it gave.
        granter.change(&sql, "UPDATE sessions SET expires_at = created_at, idle_expires_at = created_at WHERE id = '{session}'").await;
        assert!(matches!(
            status(&db, jti(1), online, &granter).await,
            TokenStatus::Live(_)
        ));
        let ended = token_families::revoke(&db, online, &granter.client, at(1), EndReason::Revoked).await;
        assert!(ended.expect("revoked"));
        assert_eq!(status(&db, jti(1), online, &granter).await, TokenStatus::Dead);
        assert!(matches!(
            status(&db, jti(1), survivor, &granter).await,
            TokenStatus::Live(_)
        ));
    }
}

#[tokio::test]
async fn a_token_that_names_what_does_not_belong_together_is_dead() {
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    let granter = Granter::new(&sql).await;
    let family = granter.family(db, &rotating()).await;
    let other = Granter::new(&sql).await;
    let elsewhere = granter.elsewhere(&sql).await;
    let (user, another) = (granter.user.to_string(), other.user.to_string());
    let (f, s, u) = (Some(family), Some(granter.session), Some(&*user));
    let nobodys = Some(FamilyId::generate(&SeededRandom::new(99)));
    for (what, f, s, u, client) in [
        ("no family", None, s, u, &granter.client),
        ("no session", f, None, u, &granter.client),
        ("no user", f, s, None, &granter.client),
        ("a family alone", f, None, None, &granter.client),
        ("a family that is gone", nobodys, s, u, &granter.client),
        ("another session", f, Some(elsewhere.session), u, &granter.client),
        ("another user", f, s, Some(&*another), &granter.client),
        ("another client", f, s, u, &other.client),
    ] {
        let status = access_tokens::status(db, jti(1), f, s, u, client).await;
        assert_eq!(status.expect("asked"), TokenStatus::Dead, "{what}");
    }
    assert!(matches!(
        status(db, jti(1), family, &granter).await,
        TokenStatus::Live(Some(_))
    ));
}

#[tokio::test]
async fn a_clients_own_token_stands_on_the_client_alone() {
    let database = database().await;
    let sql = database.client().await;
    for (seed, statements) in [(1, Statements::Prepared), (2, Statements::Typed)] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let status = async |seed| {
            access_tokens::status(&db, jti(seed), None, None, None, &granter.client)
                .await
                .expect("asked")
        };
        assert_eq!(status(seed).await, TokenStatus::Live(None));
        for (what, end, restore) in ENDINGS {
            granter.change(&sql, end).await;
            let expected = match what {
                "the client is disabled" => TokenStatus::Dead,
                _ => TokenStatus::Live(None),
            };
            assert_eq!(status(seed).await, expected, "{what}");
            granter.change(&sql, restore).await;
        }
        access_tokens::revoke(&db, &alone(seed)).await.expect("revoked");
        assert_eq!(status(seed).await, TokenStatus::Dead);
        assert_eq!(
            status(seed + 10).await,
            TokenStatus::Live(None),
            "the others go on"
        );
        granter
            .change(&sql, "DELETE FROM clients WHERE id = '{client}'")
            .await;
        assert_eq!(status(seed + 10).await, TokenStatus::Dead);
    }
}

#[tokio::test]
async fn one_token_is_revoked_any_number_of_times_and_forgotten_once_it_expired() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let family = granter.family(&db, &rotating()).await;
        for seed in [1, 1, 2, 3] {
            access_tokens::revoke(&db, &alone(seed)).await.expect("revoked");
        }
        assert_eq!(status(&db, jti(1), family, &granter).await, TokenStatus::Dead);
        assert!(matches!(
            status(&db, jti(4), family, &granter).await,
            TokenStatus::Live(_)
        ));
        for (seconds, swept) in [(600, 0), (601, 2), (601, 1), (601, 0)] {
            let count = access_tokens::delete_expired(&db, at(seconds), 2).await;
            assert_eq!(count.expect("swept"), swept);
        }
    }
}
