//! What every scenario works with: the two servers on one database, users who are logged in, and the measuring.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use signet::domain::password::Password;
use signet::password::{HashParams, Hasher, HasherSettings};

use super::bare;
use super::http::{self, Connection};
use super::load::{CONNECTIONS, Latencies, Load, Walk};
use super::postgres::Postgres;
use super::process::{self, Memory};
use super::servers::{self, Installation, Server};
use super::table::{Bound, Figure};
use super::walks::{Browser, CALLBACK, CodeFlow, SCOPE};

/// How often the two sides take turns, so that what else happens on the machine meets both.
const ROUNDS: u32 = 6;

/// What goes before each round: connections, prepared statements, caches.
const WARM_UP: Duration = Duration::from_millis(500);

/// How long a node may take to learn of new clients.
const PROPAGATION: Duration = Duration::from_secs(5);

const PASSWORD: &str = "correct-horse battery staple 7";

/// What one side did in all rounds together.
#[derive(Debug, Default)]
pub struct Measured {
    pub latencies: Latencies,
    length: Duration,
    server_cpu: Duration,
    database_cpu: Duration,
    /// In MiB.
    pub peak: f64,
}

impl Measured {
    #[expect(clippy::cast_precision_loss, reason = "a run has less than 2^52 requests")]
    fn thousands(&self) -> f64 {
        self.latencies.count() as f64 / 1000.0
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.thousands() * 1000.0 / self.length.as_secs_f64()
    }

    /// Seconds of processor time of the server a thousand requests.
    pub fn server_cpu(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.thousands()
    }

    /// Seconds of processor time of PostgreSQL a thousand requests.
    pub fn database_cpu(&self) -> f64 {
        self.database_cpu.as_secs_f64() / self.thousands()
    }
}

/// One user of the bench, logged in and with tokens.
pub struct User {
    pub login_request: Vec<u8>,
    pub refresh_token: String,
    pub access_token: String,
    /// The same user's token of `bare`.
    pub bare_token: String,
}

pub struct Bench {
    /// How long each side is measured.
    pub length: Duration,
    pub directory: PathBuf,
    pub postgres: Postgres,
    pub installation: Installation,
    /// Running, except while a scenario has its own.
    pub signet: Option<Server>,
    pub bare: Server,
    /// The confidential client's `client_id` and secret.
    pub api: (String, String),
    pub users: Vec<User>,
    /// The browsers of the users, taken by the scenario that uses them.
    pub flows: Vec<CodeFlow>,
    pub figures: Vec<Figure>,
}

/// The public client.
pub const SPA: &str = "bench-spa";

impl Bench {
    /// Sets everything up.
    pub async fn set_up(directory: PathBuf, length: Duration, postgres: Postgres) -> anyhow::Result<Self> {
        let database = postgres.url("signet");
        let installation = Installation::create(&directory, database.clone())?;
        let (signet, _) = installation.serve().await?;
        let api = register_clients(&installation)?;
        let emails = insert_users(&postgres).await?;
        let mut connection = Connection::open(installation.address).await?;
        for (path, name) in [
            ("/.well-known/jwks.json", "jwks"),
            ("/.well-known/openid-configuration", "metadata"),
        ] {
            let answer = connection.exchange(&http::get(path, &[])).await?.expect(200)?;
            // Made anew for each answer, by whatever server.
            let varying = ["content-length", "date", "x-request-id"];
            let headers: Vec<_> = answer
                .all_headers()
                .filter(|(name, _)| !varying.iter().any(|varying| name.eq_ignore_ascii_case(varying)))
                .collect();
            fs::write(
                directory.join(name).with_extension("headers"),
                json!(headers).to_string(),
            )?;
            fs::write(directory.join(name).with_extension("body"), answer.body())?;
        }
        let bare = servers::bare(&directory, &database)?;
        until_known(&mut connection, &api).await?;
        let (mut users, mut flows) = (Vec::new(), Vec::new());
        let mut bare_connection = Connection::open(bare.address).await?;
        for (email, id) in &emails[..CONNECTIONS] {
            let browser = Browser::log_in(&mut connection, email, PASSWORD).await?;
            let login_request = browser.login_request();
            let mut flow = CodeFlow::new(browser, SPA);
            flow.step(&mut connection).await?;
            flow.step(&mut connection).await?;
            let (refresh_token, access_token) = flow.tokens.clone().context("no tokens")?;
            flows.push(flow);
            let request = token_request(&api, &[("sub", id)]);
            let answer = bare_connection.exchange(&request).await?.expect(200)?;
            users.push(User {
                login_request,
                refresh_token,
                access_token,
                bare_token: answer.member("access_token")?.to_owned(),
            });
        }
        // What the planner knows is what is there.
        let client = postgres.connect("signet").await?;
        client.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(Self {
            length,
            directory,
            postgres,
            installation,
            signet: Some(signet),
            bare,
            api,
            users,
            flows,
            figures: Vec::new(),
        })
    }

    /// The running Signet.
    pub fn signet(&self) -> anyhow::Result<&Server> {
        self.signet.as_ref().context("signet is not running")
    }

    /// Starts Signet anew, with memory that nothing has touched.
    pub async fn restart(&mut self) -> anyhow::Result<Duration> {
        drop(self.signet.take());
        let (signet, took) = self.installation.serve().await?;
        self.signet = Some(signet);
        Ok(took)
    }

    /// Measures one side once.
    pub async fn measure<W: Walk>(
        &self,
        server: &Server,
        walks: Vec<W>,
        length: Duration,
    ) -> anyhow::Result<(Vec<W>, Measured)> {
        let load = Load::start(server.address, walks, Duration::ZERO);
        tokio::time::sleep(WARM_UP).await;
        let (server_before, database_before) = (process::cpu(server.pid())?, self.postgres.cpu()?);
        let began = Instant::now();
        load.measure();
        tokio::time::sleep(length).await;
        let (server_after, database_after) = (process::cpu(server.pid())?, self.postgres.cpu()?);
        let length = began.elapsed();
        let (walks, latencies) = load.stop()?;
        let Memory { peak, .. } = process::memory(server.pid())?;
        let measured = Measured {
            latencies,
            length,
            server_cpu: server_after.saturating_sub(server_before),
            database_cpu: database_after.saturating_sub(database_before),
            peak,
        };
        Ok((walks, measured))
    }

    /// Measures Signet and `bare` by turns.
    pub async fn compare<A: Walk, B: Walk>(
        &self,
        mut ours: Vec<A>,
        mut theirs: Vec<B>,
    ) -> anyhow::Result<(Measured, Measured)> {
        let length = self.length / ROUNDS;
        let (mut us, mut them) = (Measured::default(), Measured::default());
        for _ in 0..ROUNDS {
            let (walks, measured) = self.measure(&self.bare, theirs, length).await?;
            theirs = walks;
            them.add(measured);
            let (walks, measured) = self.measure(self.signet()?, ours, length).await?;
            ours = walks;
            us.add(measured);
        }
        Ok((us, them))
    }

    /// A line of the table.
    pub fn figure(
        &mut self,
        scenario: &'static str,
        what: impl Into<String>,
        (ours, limit): (f64, Option<f64>),
        bound: Bound,
    ) {
        self.figures.push(Figure {
            scenario,
            what: what.into(),
            ours,
            limit,
            bound,
        });
    }

    /// The lines that most scenarios have.
    pub fn figures_of(
        &mut self,
        scenario: &'static str,
        (us, them): &(Measured, Measured),
        rate: Bound,
        cpu: Bound,
    ) {
        self.figure(scenario, "requests/s", (us.rate(), Some(them.rate())), rate);
        let spent = (us.server_cpu(), Some(them.server_cpu()));
        self.figure(scenario, "server CPU s / 1,000", spent, cpu);
        self.figure(
            scenario,
            "peak memory, MiB",
            (us.peak, Some(them.peak)),
            Bound::REPORTED,
        );
    }

    /// A client_credentials request of the confidential client.
    pub fn token_request(&self) -> Vec<u8> {
        token_request(&self.api, &[("scope", "notes:read")])
    }
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.latencies.merge(other.latencies);
        self.length += other.length;
        self.server_cpu += other.server_cpu;
        self.database_cpu += other.database_cpu;
        self.peak = self.peak.max(other.peak);
    }
}

fn token_request((id, secret): &(String, String), further: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ];
    fields.extend(further);
    http::post("/oauth2/token", &[], &fields)
}

fn register_clients(installation: &Installation) -> anyhow::Result<(String, String)> {
    let made = installation.register(&json!([
        {
            "client_id": "bench-api", "client_name": "Bench API",
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [], "grant_types": ["client_credentials"], "scope": "notes:read",
        },
        {
            "client_id": SPA, "client_name": "Bench SPA", "token_endpoint_auth_method": "none",
            "redirect_uris": [CALLBACK], "grant_types": ["authorization_code", "refresh_token"],
            "first_party": true, "id_token_signed_response_alg": "EdDSA", "scope": SCOPE,
        },
    ]))?;
    let secret = made[0]["client_secret"].as_str().context("no secret")?;
    Ok(("bench-api".to_owned(), secret.to_owned()))
}

/// Makes the users, who all have one password, and the families of the limits: more than are used, since tables of
/// a few rows are read whole. Returns addresses and ids.
async fn insert_users(postgres: &Postgres) -> anyhow::Result<Vec<(String, String)>> {
    let hasher = Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: 19456,
            iterations: 2,
            parallelism: 1,
        },
        threads: 1,
        queue_timeout: Duration::from_secs(10),
        queue_length: 1,
    })?;
    let password = Password::presented(PASSWORD);
    let Ok(hash) = hasher.hash(&password, [7; 16]).await else {
        bail!("the password was not hashed")
    };
    let client = postgres.connect("signet").await?;
    client
        .execute(
            "INSERT INTO users (id, email, email_key, email_verified, name, password_hash, created_at, updated_at)
             SELECT gen_random_uuid(), 'user' || n || '@example.org', 'user' || n || '@example.org', true,
                 'Ada Lovelace', $1, now(), now()
             FROM generate_series(1, 5000) n",
            &[&hash.as_str()],
        )
        .await?;
    for prefix in bare::FAMILIES {
        client
            .execute(
                "WITH made AS (
                    SELECT ($1 || lpad(n::text, 12, '0'))::uuid AS id,
                        (SELECT id FROM users WHERE email = 'user' || n + 1 || '@example.org') AS user_id
                    FROM generate_series(0, 4999) n),
                s AS (
                    INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at,
                        idle_expires_at, expires_at)
                    SELECT id, user_id, 0, now(), '1', '{pwd}', now(), now(), now() + '7 days', now() + '30 days'
                    FROM made)
                INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time,
                    acr, amr, rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at)
                SELECT id, user_id, $2, id, 0, '{openid,profile,email}', '{}', now(), '1', '{pwd}', true, false, 1,
                    1, now(), now() + '90 days', now() + '14 days' FROM made",
                &[&prefix, &SPA],
            )
            .await?;
    }
    let rows = client
        .query(
            "SELECT email, id::text FROM users ORDER BY created_at, email",
            &[],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Waits until the server has read the clients.
async fn until_known(connection: &mut Connection, api: &(String, String)) -> anyhow::Result<()> {
    let began = Instant::now();
    let request = token_request(api, &[("scope", "notes:read")]);
    loop {
        let answer = connection.exchange(&request).await?;
        if answer.status == 200 {
            return Ok(());
        }
        if began.elapsed() > PROPAGATION {
            bail!("the clients are not known: {}", answer.text()?);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The machine, for whoever compares tables.
pub fn machine(postgres: &Postgres) -> Value {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map(|rest| rest.trim_start_matches([' ', '\t', ':']).to_owned());
    json!({
        "processor": model, "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "postgresql": postgres.version(),
    })
}
