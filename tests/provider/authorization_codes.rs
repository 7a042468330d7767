//! Codes on a real PostgreSQL (RFC 6749 §4.1.2, RFC 9700 §4.5).

mod races;

use chrono::TimeDelta;
use signet::domain::ids::{ClientId, FamilyId};
use signet::oauth::pkce::CodeChallenge;
use signet::storage::authorization_codes::{self, Presented, Redemption};
use signet::storage::token_families::{self, Presentation};
use signet::storage::{Db, Statements};
use tokio_postgres::Client as Connection;

use crate::support::database;
use crate::support::grants::{
    Code, ENDINGS, Granter, REDIRECT_URI, at, challenge, claims, offline, rotating, start,
};

async fn present(db: &Db, presented: &Presented<'_>, seconds: i64) -> Redemption {
    authorization_codes::redeem(db, presented, &rotating(), at(seconds))
        .await
        .expect("asked")
}

async fn ended_reason(sql: &Connection, family: FamilyId) -> Option<String> {
    sql.query_one(
        "SELECT ended_reason FROM token_families WHERE id = $1",
        &[family.as_uuid()],
    )
    .await
    .expect("the family is there")
    .get(0)
}

async fn count(sql: &Connection, table: &str) -> i64 {
    sql.query_one(&format!("SELECT count(*) FROM {table}"), &[])
        .await
        .expect("counted")
        .get(0)
}

#[tokio::test]
async fn a_code_gives_back_all_that_was_stored_with_it_and_makes_its_family() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let code = granter.code(&db).await;
        let Redemption::Redeemed(grant) = granter.redeem(&db, &code, &offline()).await else {
            panic!("a fresh code is redeemed");
        };
        assert_eq!(grant.family, code.family);
        assert_eq!((grant.user.id, grant.session), (granter.user, granter.session));
        assert_eq!(grant.user.email, "Ada@example.com");
        assert_eq!(grant.user.name, "Ada");
        assert!(grant.user.email_verified && grant.offline);
        assert_eq!(
            serde_json::json!(grant.user.profile.as_map()),
            serde_json::json!({"locale": "en"})
        );
        assert_eq!(grant.user.updated_at, start());
        assert_eq!(grant.scopes.to_string(), "openid email offline_access");
        assert_eq!(grant.resources, ["https://api.example"]);
        assert_eq!(grant.claims, Some(claims()));
        assert_eq!(grant.nonce.as_deref(), Some("n-0S6"));
        assert_eq!((grant.auth_time, grant.acr.as_str()), (at(-5), "0"));
        assert_eq!(grant.amr, ["pwd"]);

        let family = sql
            .query_one(
                "SELECT * FROM token_families WHERE id = $1",
                &[code.family.as_uuid()],
            )
            .await
            .expect("the family is there");
        assert_eq!(
            (family.get::<_, i64>("head"), family.get::<_, i32>("head_kv")),
            (1, 1)
        );
        assert_eq!(family.get::<_, i64>("epoch"), 3);
        assert_eq!(family.get::<_, String>("client_id"), granter.client.as_str());
        assert_eq!(
            family.get::<_, chrono::DateTime<chrono::Utc>>("created_at"),
            start()
        );
        // What the refresh gives is the same, but for the nonce.
        let presented = Presentation {
            family: code.family,
            serial: authorization_codes::FIRST_SERIAL,
            client: &granter.client,
        };
        let live = token_families::find_live(&db, &presented, at(1), TimeDelta::seconds(30))
            .await
            .expect("asked")
            .expect("the first token is live");
        let mut first = *grant;
        assert_eq!(first.nonce.take().as_deref(), Some("n-0S6"));
        assert_eq!(*live.grant, first);
        assert!(!format!("{first:?}").contains("Ada"), "nobody is named in a log");
    }
}

#[tokio::test]
async fn a_stranger_neither_burns_a_code_nor_ends_what_it_gave() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let code = granter.code(&db).await;
        let hash = code.plain.hash();
        let challenge = challenge();
        let own = Presented {
            code_hash: &hash,
            client: &granter.client,
            redirect_uri: Some(REDIRECT_URI),
            code_challenge: Some(&challenge),
        };
        let stranger = Granter::new(&sql).await.client;
        let unknown: ClientId = "nobody".parse().expect("a client_id");
        let wrong = CodeChallenge::of_verifier(&"a".repeat(43)).expect("a verifier");
        let other_hash = Granter::new(&sql).await.code(&db).await.plain.hash();
        let strangers = [
            (
                "another client",
                Presented {
                    client: &stranger,
                    ..own
                },
            ),
            (
                "no client",
                Presented {
                    client: &unknown,
                    ..own
                },
            ),
            (
                "a wrong verifier",
                Presented {
                    code_challenge: Some(&wrong),
                    ..own
                },
            ),
            (
                "no verifier",
                Presented {
                    code_challenge: None,
                    ..own
                },
            ),
            (
                "a longer redirect_uri",
                Presented {
                    redirect_uri: Some("https://app.example/callback/"),
                    ..own
                },
            ),
            (
                "another redirect_uri",
                Presented {
                    redirect_uri: Some(""),
                    ..own
                },
            ),
            (
                "another's code",
                Presented {
                    code_hash: &other_hash,
                    ..own
                },
            ),
        ];
        for (what, presented) in &strangers {
            assert_eq!(
                present(&db, presented, 1).await,
                Redemption::Refused,
                "{what}, before"
            );
        }
        assert!(
            matches!(present(&db, &own, 1).await, Redemption::Redeemed(_)),
            "not burnt"
        );
        for (what, presented) in &strangers {
            assert_eq!(
                present(&db, presented, 2).await,
                Redemption::Refused,
                "{what}, after"
            );
        }
        assert_eq!(ended_reason(&sql, code.family).await, None);
    }
    assert_eq!(count(&sql, "events").await, 0);
}

#[tokio::test]
async fn a_verifier_for_a_code_without_challenge_is_refused_and_a_missing_redirect_uri_is_the_flows_to_judge()
{
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    let granter = Granter::new(&sql).await;
    let code = granter.try_code(db, 3, None).await.expect("stored");
    let (hash, verified) = (code.plain.hash(), challenge());
    let presented = Presented {
        code_hash: &hash,
        client: &granter.client,
        redirect_uri: None,
        code_challenge: Some(&verified),
    };
    assert_eq!(present(db, &presented, 1).await, Redemption::Refused);
    let presented = Presented {
        code_challenge: None,
        ..presented
    };
    assert!(matches!(
        present(db, &presented, 1).await,
        Redemption::Redeemed(_)
    ));
    assert!(matches!(
        present(db, &presented, 2).await,
        Redemption::Replayed { .. }
    ));
}

#[tokio::test]
async fn the_owners_replay_ends_the_family_once_even_long_after_the_code_expired() {
    let database = database().await;
    let sql = database.client().await;
    for (events, statements) in [(1, Statements::Prepared), (2, Statements::Typed)] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        let code = granter.code(&db).await;
        let sibling = granter.family(&db, &rotating()).await;
        assert!(matches!(
            granter.redeem(&db, &code, &rotating()).await,
            Redemption::Redeemed(_)
        ));
        let (hash, challenge) = (code.plain.hash(), challenge());
        let own = Presented {
            code_hash: &hash,
            client: &granter.client,
            redirect_uri: Some(REDIRECT_URI),
            code_challenge: Some(&challenge),
        };
        for seconds in [86_400, 86_401] {
            let replayed = present(&db, &own, seconds).await;
            assert_eq!(replayed, Redemption::Replayed { family: code.family });
            assert_eq!(
                ended_reason(&sql, code.family).await.as_deref(),
                Some("code_replay")
            );
            assert_eq!(count(&sql, "events").await, events);
        }
        assert_eq!(
            ended_reason(&sql, sibling).await,
            None,
            "another code's family goes on"
        );
        let event = sql
            .query_one(
                "SELECT kind, at FROM events WHERE subject_id = $1",
                &[code.family.as_uuid()],
            )
            .await
            .expect("an event");
        assert_eq!(event.get::<_, &str>("kind"), "code_replay");
        assert_eq!(event.get::<_, chrono::DateTime<chrono::Utc>>("at"), at(86_400));
    }
}

#[tokio::test]
async fn a_code_is_good_until_the_moment_it_expires() {
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    let granter = Granter::new(&sql).await;
    let challenge = challenge();
    let redeem = async |code: &Code, after: TimeDelta| {
        let presented = Presented {
            code_hash: &code.plain.hash(),
            client: &granter.client,
            redirect_uri: Some(REDIRECT_URI),
            code_challenge: Some(&challenge),
        };
        authorization_codes::redeem(db, &presented, &rotating(), start() + after)
            .await
            .expect("asked")
    };
    let code = granter.code(db).await;
    assert_eq!(redeem(&code, TimeDelta::seconds(60)).await, Redemption::Refused);
    let last = TimeDelta::seconds(60) - TimeDelta::microseconds(1);
    assert!(matches!(redeem(&code, last).await, Redemption::Redeemed(_)));
}

#[tokio::test]
async fn no_code_is_made_or_redeemed_for_whoever_may_not_have_tokens() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        for (what, end, restore) in ENDINGS {
            let code = granter.code(&db).await;
            granter.change(&sql, end).await;
            assert!(granter.try_code(&db, 3, None).await.is_none(), "{what}");
            let refused = granter.redeem(&db, &code, &offline()).await;
            assert_eq!(refused, Redemption::Refused, "{what}");
            granter.change(&sql, restore).await;
            let redeemed = granter.redeem(&db, &code, &offline()).await;
            assert!(matches!(redeemed, Redemption::Redeemed(_)), "{what}: not burnt");
        }
        assert!(
            granter.try_code(&db, 2, None).await.is_none(),
            "a session of another epoch"
        );
        let stranger = Granter::new(&sql).await;
        let mixed = Granter {
            user: stranger.user,
            ..granter
        };
        assert!(
            mixed.try_code(&db, 3, None).await.is_none(),
            "another user's session"
        );
    }
}

#[tokio::test]
async fn an_unused_code_is_swept_by_its_expiry_and_a_used_one_with_its_family() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let granter = Granter::new(&sql).await;
        for _ in 0..3 {
            granter.code(&db).await;
            granter.family(&db, &rotating()).await;
        }
        let sweep = async |seconds, limit| {
            authorization_codes::delete_expired(&db, at(seconds), limit)
                .await
                .expect("swept")
        };
        assert_eq!(sweep(60, 10).await, 0, "not before it expired");
        assert_eq!(sweep(61, 2).await, 2);
        assert_eq!(sweep(61, 2).await, 1);
        assert_eq!(sweep(10_000_000, 10).await, 0, "the used ones stay");
        assert_eq!(count(&sql, "authorization_codes").await, 3);
        let end = rotating().expires_at;
        let sweep = async |before, limit| {
            token_families::delete_expired(&db, before, limit)
                .await
                .expect("swept")
        };
        assert_eq!(sweep(end, 10).await, 0);
        assert_eq!(sweep(end + TimeDelta::seconds(1), 2).await, 2);
        assert_eq!(
            count(&sql, "authorization_codes").await,
            1,
            "codes go with their families"
        );
        assert_eq!(sweep(end + TimeDelta::seconds(1), 2).await, 1);
        assert_eq!(count(&sql, "authorization_codes").await, 0);
        assert_eq!(count(&sql, "token_families").await, 0);
    }
}
