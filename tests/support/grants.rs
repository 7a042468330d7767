//! A user with a session and a client, and what one grants the other, for tests of storage alone.

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::authorization::RequestedClaims;
use signet::domain::ids::{ClientId, FamilyId, SessionId, UserId};
use signet::domain::secret::{PlainToken, TokenKind};
use signet::domain::status_list::StatusIndex;
use signet::oauth::pkce::CodeChallenge;
use signet::oauth::scope::ScopeSet;
use signet::random::SeededRandom;
use signet::storage::Execute;
use signet::storage::authorization_codes::{self, NewCode, NewFamily, Presented, Redemption};
use tokio_postgres::Client as Connection;

/// Where every code of these tests goes.
pub const REDIRECT_URI: &str = "https://app.example/callback";
/// The verifier of every code's challenge.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// When these tests begin.
pub fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a date")
}

/// Some seconds after [`start`].
pub fn at(seconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::seconds(seconds)
}

/// The challenge of [`VERIFIER`].
pub fn challenge() -> CodeChallenge {
    CodeChallenge::of_verifier(VERIFIER).expect("a verifier")
}

/// What takes from a grant the ground that it stands on, and what gives it back, for [`Granter::change`].
pub const ENDINGS: [(&str, &str, &str); 4] = [
    (
        "the user is disabled",
        "UPDATE users SET disabled_at = created_at WHERE id = '{user}'",
        "UPDATE users SET disabled_at = NULL WHERE id = '{user}'",
    ),
    (
        "the epoch has moved",
        "UPDATE users SET epoch = epoch + 1 WHERE id = '{user}'",
        "UPDATE users SET epoch = epoch - 1 WHERE id = '{user}'",
    ),
    (
        "the client is disabled",
        "UPDATE clients SET disabled_at = created_at WHERE id = '{client}'",
        "UPDATE clients SET disabled_at = NULL WHERE id = '{client}'",
    ),
    (
        "the session has ended",
        "UPDATE sessions SET ended_at = created_at, ended_reason = 'logout' WHERE id = '{session}'",
        "UPDATE sessions SET ended_at = NULL, ended_reason = NULL WHERE id = '{session}'",
    ),
];

/// A user, logged in, and a client.
pub struct Granter {
    pub user: UserId,
    pub session: SessionId,
    pub client: ClientId,
    pub random: SeededRandom,
}

/// A stored code.
pub struct Code {
    pub plain: PlainToken,
    pub family: FamilyId,
}

impl Granter {
    /// Makes all three.
    pub async fn new(sql: &Connection) -> Self {
        static SEED: AtomicU64 = AtomicU64::new(0);
        let random = SeededRandom::new(SEED.fetch_add(1, Ordering::Relaxed));
        let granter = Self {
            user: UserId::generate(&random),
            session: SessionId::generate(&random),
            client: format!("client {}", FamilyId::generate(&random))
                .parse()
                .expect("a client_id"),
            random,
        };
        sql.execute(
            "INSERT INTO users (id, email, email_key, email_verified, name, profile, epoch, created_at, updated_at)
             VALUES ($1, 'Ada@example.com', $2, true, 'Ada', '{\"locale\": \"en\"}', 3, $3, $3)",
            &[granter.user.as_uuid(), &granter.user.to_string(), &start()],
        )
        .await
        .expect("a user");
        granter.insert_session(sql, granter.session).await;
        sql.execute(
            "INSERT INTO clients (id, metadata, created_at, updated_at) VALUES ($1, '{}', $2, $2)",
            &[&granter.client.as_str(), &start()],
        )
        .await
        .expect("a client");
        granter
    }

    /// The same user and client in another browser.
    pub async fn elsewhere(&self, sql: &Connection) -> Self {
        let random = SeededRandom::new(self.user.as_uuid().as_u64_pair().0);
        let session = SessionId::generate(&random);
        self.insert_session(sql, session).await;
        Self {
            user: self.user,
            session,
            client: self.client.clone(),
            random,
        }
    }

    async fn insert_session(&self, sql: &Connection, session: SessionId) {
        sql.execute(
            "INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at,
                idle_expires_at, expires_at) VALUES ($1, $2, 3, $3, '0', '{pwd}', $3, $3, $4, $4)",
            &[session.as_uuid(), self.user.as_uuid(), &start(), &at(3600)],
        )
        .await
        .expect("a session");
    }

    /// Gives the client a code that lives 60 s; `None` if storage would not have it.
    pub async fn try_code(
        &self,
        db: &impl Execute,
        epoch: i64,
        challenge: Option<&CodeChallenge>,
    ) -> Option<Code> {
        let plain = PlainToken::generate(TokenKind::AuthorizationCode, &self.random);
        let family = FamilyId::generate(&self.random);
        let inserted = authorization_codes::insert(
            db,
            &NewCode {
                code_hash: &plain.hash(),
                family,
                client: &self.client,
                user: self.user,
                session: self.session,
                epoch,
                redirect_uri: REDIRECT_URI,
                code_challenge: challenge,
                nonce: Some("n-0S6"),
                scopes: &ScopeSet::parse("openid email offline_access").expect("scopes"),
                resources: &["https://api.example".to_owned()],
                claims: Some(&claims()),
                auth_time: at(-5),
                acr: "0",
                amr: &["pwd".to_owned()],
                created_at: start(),
                expires_at: at(60),
            },
        )
        .await
        .expect("asked");
        inserted.then_some(Code { plain, family })
    }

    /// Gives the client a code.
    pub async fn code(&self, db: &impl Execute) -> Code {
        self.try_code(db, 3, Some(&challenge()))
            .await
            .expect("everyone lives")
    }

    /// Runs SQL in which `{user}`, `{session}` and `{client}` stand for the ids, and which changes one row.
    pub async fn change(&self, sql: &Connection, statement: &str) {
        let statement = statement
            .replace("{user}", &self.user.to_string())
            .replace("{session}", &self.session.to_string())
            .replace("{client}", self.client.as_str());
        assert_eq!(
            sql.execute(&statement, &[]).await.expect("changed"),
            1,
            "{statement}"
        );
    }

    /// Redeems `code` as its owner does.
    pub async fn redeem(&self, db: &impl Execute, code: &Code, family: &NewFamily) -> Redemption {
        let presented = Presented {
            code_hash: &code.plain.hash(),
            client: &self.client,
            redirect_uri: Some(REDIRECT_URI),
            code_challenge: Some(&challenge()),
        };
        authorization_codes::redeem(db, &presented, family, start())
            .await
            .expect("asked")
    }

    /// A family of the client, made at [`start`] from a code of its own.
    pub async fn family(&self, db: &impl Execute, family: &NewFamily) -> FamilyId {
        let code = self.code(db).await;
        match self.redeem(db, &code, family).await {
            Redemption::Redeemed(grant) => grant.family,
            other => panic!("{other:?}"),
        }
    }
}

/// The `claims` parameter of every code.
pub fn claims() -> RequestedClaims {
    serde_json::from_str(r#"{"userinfo": {"locale": null}}"#).expect("a claims parameter")
}

/// A rotating family with the lifetimes of the defaults.
pub fn rotating() -> NewFamily {
    NewFamily {
        rotates: true,
        offline: false,
        head_kv: 1,
        expires_at: start() + TimeDelta::days(90),
        idle_expires_at: start() + TimeDelta::days(14),
        status_index: StatusIndex::new(5).expect("not negative"),
    }
}

/// One that survives its session.
pub fn offline() -> NewFamily {
    NewFamily {
        offline: true,
        ..rotating()
    }
}
