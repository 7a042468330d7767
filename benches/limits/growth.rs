//! Growth: what a refresh and a login cost the database with a thousand users and families, and with a million.
//! Two databases of one server take turns; the statements are Signet's own, called through its storage layer.
//! As many users are active on either side: what is asked is what the others, who are only stored, cost.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use signet::clock::{Clock, SystemClock};
use signet::domain::browser_session::BrowserSession;
use signet::domain::email::{EmailAddress, EmailKey};
use signet::domain::ids::{ClientId, FamilyId, SessionId};
use signet::domain::refresh_token::RefreshPolicy;
use signet::domain::secret::{PlainToken, TokenHash, TokenKind};
use signet::random::SystemRandom;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::limit_counters;
use signet::storage::logins::{self, Attempt, Begun, Login};
use signet::storage::pool::{self, PoolSettings};
use signet::storage::token_families::{self, Presentation, RefreshOutcome, Wanted};
use signet::storage::{Db, Statements, migrate};

use super::bench::Bench;
use super::postgres::Postgres;
use super::table::Bound;

/// Rows of the small side, and how many are active on both.
const SMALL: i64 = 1000;

/// How often the sides take turns.
const ROUNDS: usize = 4;

/// How many ask at once.
const CALLERS: usize = 8;

const CLIENT: &str = "bench";

/// `$ROWS` users, each with a session, a family, a device, and buckets of wrong passwords.
const FILL: &str = "
INSERT INTO clients (id, metadata, created_at, updated_at) VALUES ('bench', '{}', now(), now());
INSERT INTO users (id, email, email_key, email_verified, name, password_hash, created_at, updated_at)
    SELECT gen_random_uuid(), 'user' || n || '@example.org', 'user' || n || '@example.org', true, 'Ada Lovelace',
        '$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$dummydummydummydummydummydummydummydummydum',
        now(), now()
    FROM generate_series(1, $ROWS) n;
INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent, created_at, last_used_at,
        idle_expires_at, expires_at)
    SELECT gen_random_uuid(), id, 0, now(), '1', '{pwd}', '203.0.113.7', 'Firefox on Linux', now(), now(),
        now() + '7 days', now() + '30 days' FROM users;
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, rotates,
        offline, head, head_kv, created_at, expires_at, idle_expires_at)
    SELECT gen_random_uuid(), user_id, 'bench', id, 0, '{openid,profile,email}', '{}', now(), '1', '{pwd}', true,
        false, 1, 1, now(), now() + '90 days', now() + '14 days' FROM sessions;
INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
    SELECT sha256(id::text::bytea), id, 0, now(), now() + '180 days' FROM users;
INSERT INTO login_attempts (account_mac, attempts, window_started_at)
    SELECT sha256(email::bytea), 0, now() FROM users;
INSERT INTO limit_counters (key_mac, attempts, window_ends_at)
    SELECT sha256(sha256(email::bytea)), 0, now() + '5 minutes' FROM users;";

/// The active ones, drawn from all.
const ACTIVE: &str = "SELECT g.id, u.email, u.id FROM token_families g JOIN users u ON u.id = g.user_id
ORDER BY md5(g.id::text) LIMIT 1000";

struct Side {
    db: Db,
    client: ClientId,
    families: Vec<Mutex<(FamilyId, i64)>>,
    browsers: Vec<(EmailKey, TokenHash)>,
}

pub async fn growth(bench: &mut Bench, rows: i64) -> anyhow::Result<()> {
    let small = Side::create(&bench.postgres, "growth_small", SMALL).await?;
    let large = Side::create(&bench.postgres, "growth_large", rows).await?;
    let length = bench.length / 2;
    for (what, work) in [("refresh", Work::Refresh), ("login", Work::Login)] {
        for side in [&small, &large] {
            // Every active row once: a page's first change after a checkpoint writes the whole page.
            side.each(work).await?;
        }
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            few.push(small.cost(&bench.postgres, work, length).await?);
            many.push(large.cost(&bench.postgres, work, length).await?);
        }
        let what = format!("{what}, database CPU s / 1,000, {rows} to {SMALL} rows");
        let values = (median(many), Some(median(few)));
        bench.figure("growth", what, values, Bound::at_most(1.10).aiming(1.03));
    }
    small.db.close();
    large.db.close();
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Refresh,
    Login,
}

impl Side {
    async fn create(postgres: &Postgres, name: &str, rows: i64) -> anyhow::Result<Self> {
        let began = Instant::now();
        let maintenance = postgres.connect("signet").await?;
        maintenance
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await?;
        let url = postgres.url(name);
        migrate::run(&DatabaseUrl::parse(&url)?, SystemClock.now()).await?;
        let client = postgres.connect(name).await?;
        client
            .batch_execute(&FILL.replace("$ROWS", &rows.to_string()))
            .await?;
        let active = client.query(ACTIVE, &[]).await?;
        let mut side = Self {
            db: pool::open(&PoolSettings {
                url,
                size: CALLERS,
                statements: Statements::Prepared,
            })?,
            client: CLIENT.parse()?,
            families: Vec::new(),
            browsers: Vec::new(),
        };
        let update = client
            .prepare("UPDATE devices SET token_hash = $1 WHERE user_id = $2")
            .await?;
        for row in &active {
            let family = FamilyId::from(row.get::<_, uuid::Uuid>(0));
            side.families.push(Mutex::new((family, 1)));
            let device = PlainToken::generate(TokenKind::Device, &SystemRandom).hash();
            let user: uuid::Uuid = row.get(2);
            client.execute(&update, &[&&device.as_bytes()[..], &user]).await?;
            let email = EmailAddress::parse(row.get(1))?;
            side.browsers.push((email.key().clone(), device));
        }
        client.batch_execute("VACUUM (FREEZE, ANALYZE)").await?;
        client.batch_execute("CHECKPOINT").await?;
        eprintln!("  {rows} rows in {:.0} s", began.elapsed().as_secs_f64());
        Ok(side)
    }

    /// Does `work` for every active user once.
    async fn each(&self, work: Work) -> anyhow::Result<()> {
        let callers = (0..CALLERS).map(async |caller| {
            for number in (caller..self.families.len()).step_by(CALLERS) {
                self.once(work, number).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(callers).await?;
        Ok(())
    }

    /// The processor time of the database for a thousand times `work`, in seconds.
    async fn cost(&self, postgres: &Postgres, work: Work, length: Duration) -> anyhow::Result<f64> {
        let before = postgres.cpu()?;
        let began = Instant::now();
        let callers = (0..CALLERS).map(async |caller| {
            let mut done = 0_u32;
            let mut number = caller;
            while began.elapsed() < length {
                self.once(work, number).await?;
                number = (number + CALLERS) % self.families.len();
                done += 1;
            }
            anyhow::Ok(done)
        });
        let done: u32 = try_join_all(callers).await?.into_iter().sum();
        let spent = postgres.cpu()?.saturating_sub(before);
        Ok(spent.as_secs_f64() * 1000.0 / f64::from(done))
    }

    async fn once(&self, work: Work, number: usize) -> anyhow::Result<()> {
        match work {
            Work::Refresh => self.refresh(number).await,
            Work::Login => self.login(number).await,
        }
    }

    async fn refresh(&self, number: usize) -> anyhow::Result<()> {
        let lock = &self.families[number];
        let (family, serial) = *lock.lock().expect("nobody panics with it");
        let presented = Presentation {
            family,
            serial,
            client: &self.client,
        };
        let policy = RefreshPolicy {
            retry_window: TimeDelta::seconds(30),
            recovery_window: TimeDelta::hours(24),
            idle_ttl: TimeDelta::days(14),
            ttl: TimeDelta::days(90),
        };
        let now = SystemClock.now();
        let outcome =
            token_families::rotate(&self.db, &presented, Wanted::default(), 1, now, &policy).await?;
        let RefreshOutcome::Issued { head, .. } = outcome else {
            anyhow::bail!("a refresh came to {outcome:?}")
        };
        *lock.lock().expect("nobody panics with it") = (family, head);
        Ok(())
    }

    /// A login from the user's own browser, as most are.
    async fn login(&self, number: usize) -> anyhow::Result<()> {
        let now = SystemClock.now();
        let (email, device) = &self.browsers[number];
        let account = Sha256::digest(email.as_str());
        let source = [limit_counters::Bucket {
            key: Sha256::digest(account).into(),
            most: 10,
            ends_at: now + TimeDelta::minutes(5),
        }];
        let attempt = Attempt {
            email: Some(email),
            account: &account,
            device: Some(*device),
            source: &source,
            window_floor: now - TimeDelta::minutes(15),
            device_failures: 5,
            free_failures: 20,
            waits: &[now + TimeDelta::minutes(1)],
            open_at: now,
            quiet_floor: now - TimeDelta::hours(1),
        };
        let Begun::Reserved(reserved) = logins::begin(&self.db, &attempt, now).await? else {
            anyhow::bail!("a login was refused")
        };
        let Some((user, _)) = reserved.user else {
            anyhow::bail!("no such user")
        };
        let session = BrowserSession {
            id: SessionId::generate(&SystemRandom),
            user_id: user.id,
            epoch: user.epoch,
            auth_time: now,
            acr: "1".to_owned(),
            amr: vec!["pwd".to_owned()],
            ip_address: Some("203.0.113.7".to_owned()),
            user_agent: Some("Firefox on Linux".to_owned()),
            created_at: now,
            last_used_at: now,
            idle_expires_at: now + TimeDelta::days(7),
            expires_at: now + TimeDelta::days(30),
            remembered: true,
        };
        let login = Login {
            session: &session,
            replaces: None,
            account: &account,
            bucket: reserved.bucket,
            source: &source,
            new_device: None,
            device_expires_at: now + TimeDelta::days(180),
            new_hash: None,
        };
        anyhow::ensure!(
            logins::complete(&self.db, &login).await?,
            "a login was not completed"
        );
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    f64::midpoint(values[middle], values[(values.len() - 1) / 2])
}
