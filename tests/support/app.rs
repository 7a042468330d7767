//! The real provider on a port of its own, with a database of its own, a clock that the test moves, and
//! randomness that a seed decides.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::clock::{Clock, SystemClock, TestClock};
use signet::domain::browser_session::SessionPolicy;
use signet::domain::email::EmailAddress;
use signet::domain::ids::{ClientId, MailId, UserId};
use signet::domain::key_schedule::{KeyPolicy, MAX_UNCONFIRMED};
use signet::domain::password::Password;
use signet::domain::refresh_token::RefreshPolicy;
use signet::domain::resource::Resource;
use signet::domain::user::Profile;
use signet::flows::clients::{Clients, metadata};
use signet::flows::demo;
use signet::flows::federation::Federation;
use signet::flows::keys::location::KeyLocation;
use signet::flows::keys::{KeySettings, Lifetimes};
use signet::flows::masters::Masters;
use signet::flows::provider::{AccountSettings, NodeIdentity, Parts, Provider, Settings};
use signet::flows::registry::Registry;
use signet::flows::resources::{self, ResourcesError};
use signet::flows::user_token::UserTokenSettings;
use signet::http::dev::DevSite;
use signet::http::listen::listen;
use signet::http::ops::OpsState;
use signet::http::pages::view::Branding;
use signet::http::{BetterAuthSettings, Site, SiteSettings};
use signet::jobs::send_mail::{Post, Postman};
use signet::jose::wrap::MasterKey;
use signet::mail::Mailer;
use signet::mail::mailbox::{Mailbox, Message};
use signet::mail::templates::{Brand, Templates};
use signet::oauth::scope::ScopeSet;
use signet::oauth::signing_algorithm::SigningAlgorithm;
use signet::password::{HashParams, Hasher, HasherSettings};
use signet::random::SeededRandom;
use signet::storage::users::{self, NewUser};
use signet::storage::{Db, Statements};

use super::database::{TestDatabase, database};

/// The master key of every test.
pub fn master_key() -> MasterKey {
    MasterKey::generate(&SeededRandom::new(7))
}

/// What a test may want otherwise.
pub struct Options {
    pub settings: Settings,
    pub site: SiteSettings,
    pub hasher: HasherSettings,
    pub statements: Statements,
    /// Behind which issuer the app claims to be; `None`: the address that it listens on.
    pub issuer: Option<String>,
    /// How far behind the present its clock stands at first; verifiers of others have no clock to be moved.
    pub behind: TimeDelta,
    /// Whether it has what `signet dev` adds.
    pub development: bool,
    /// `cors.allowed_origins`.
    pub allowed_origins: Vec<String>,
    /// The other providers, as `server::federation` makes them of a configuration.
    pub federation: Federation,
    /// How long clients and resources are believed without the database.
    pub max_unconfirmed: Duration,
    /// What takes its mail, or nothing; by default the mailbox that [`TestApp::deliver_mail`] looks into.
    pub mailer: Option<Option<Arc<dyn Mailer>>>,
}

/// The keys' settings by default.
pub fn key_settings() -> KeySettings {
    KeySettings {
        location: KeyLocation::Database,
        algorithms: SigningAlgorithm::ALWAYS.into_iter().collect(),
        policy: KeyPolicy {
            rotation_interval: TimeDelta::days(30),
            min_announce: TimeDelta::hours(24),
            poll_interval: TimeDelta::seconds(1),
            jwks_max_age: TimeDelta::minutes(5),
            clock_skew: TimeDelta::seconds(60),
            max_partition: TimeDelta::hours(12),
        },
        lifetimes: Lifetimes {
            signed: TimeDelta::minutes(10),
            refresh_token: TimeDelta::days(90),
            session: TimeDelta::days(30),
        },
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            settings: Settings {
                issuer: String::new(),
                brand: "Signet".to_owned(),
                keys: key_settings(),
                access_token_ttl: TimeDelta::minutes(10),
                id_token_ttl: TimeDelta::minutes(10),
                authorization_code_ttl: TimeDelta::seconds(60),
                refresh: RefreshPolicy {
                    retry_window: TimeDelta::seconds(30),
                    recovery_window: TimeDelta::hours(24),
                    idle_ttl: TimeDelta::days(14),
                    ttl: TimeDelta::days(90),
                },
                sessions: SessionPolicy {
                    ttl: TimeDelta::days(30),
                    idle_ttl: TimeDelta::days(7),
                },
                accounts: AccountSettings::default(),
                mail: true,
                min_strength: 2,
                breaches: None,
                rate_limits: true,
                user_tokens: UserTokenSettings::default(),
                better_auth_secret: None,
            },
            site: SiteSettings {
                cookie_prefix: "better-auth".to_owned(),
                cookie_domain: None,
                trusted_proxies: vec!["127.0.0.1/32".parse().expect("a network")],
                branding: Branding {
                    name: "Signet".to_owned(),
                    logo: None,
                    accent: [0x1d, 0x4e, 0xd8],
                    provider_icons: Vec::new(),
                },
                better_auth: BetterAuthSettings::default(),
            },
            hasher: HasherSettings {
                params: HashParams {
                    memory_kib: 64,
                    iterations: 1,
                    parallelism: 1,
                },
                threads: 2,
                queue_timeout: Duration::from_secs(10),
                queue_length: 1000,
            },
            statements: Statements::Prepared,
            issuer: None,
            behind: TimeDelta::zero(),
            development: false,
            allowed_origins: Vec::new(),
            federation: Federation::default(),
            max_unconfirmed: MAX_UNCONFIRMED.to_std().expect("positive"),
            mailer: None,
        }
    }
}

/// A running provider, ended with the value.
pub struct TestApp {
    /// Its address, and unless the test said otherwise its issuer.
    pub url: String,
    pub issuer: String,
    pub provider: Arc<Provider>,
    pub clock: Arc<TestClock>,
    mailbox: Arc<Mailbox>,
    pub post: Post,
    /// Declared before the database, so that it is dropped before it.
    server: ServerHandle,
    pub database: Arc<TestDatabase>,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// An app with other options.
    pub async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        let clock = Arc::new(TestClock::starting_at(SystemClock.now() - options.behind));
        Self::on(Arc::new(database().await), clock, options).await
    }

    /// An app with the demo application, its API and the mailbox, as `signet dev` has them.
    pub async fn with_dev() -> Self {
        let app = Self::with(|options| options.development = true).await;
        let keys = app.provider.keys();
        let clients = Clients {
            db: app.db(),
            secret_keys: &keys.mac.client_secret,
            issuer: &app.issuer,
            random: &*app.provider.random,
        };
        demo::prepare(&clients, app.provider.now())
            .await
            .expect("the demo is prepared");
        app.provider.reload().await.expect("the registry is read");
        drop(keys);
        app
    }

    /// Another node on the same database, with the same clock and the same issuer.
    pub async fn second_node(&self) -> Self {
        self.node(|_| {}).await
    }

    /// [`second_node`](Self::second_node) with other options.
    pub async fn node(&self, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            issuer: Some(self.issuer.clone()),
            ..Options::default()
        };
        change(&mut options);
        Self::on(self.database.clone(), self.clock.clone(), options).await
    }

    async fn on(database: Arc<TestDatabase>, clock: Arc<TestClock>, mut options: Options) -> Self {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let issuer = options.issuer.unwrap_or_else(|| url.clone());
        options.settings.issuer.clone_from(&issuer);
        let db = database.open(options.statements, 16);
        let parts = Parts {
            settings: options.settings,
            registry: Registry::open(&db, options.allowed_origins, options.max_unconfirmed)
                .await
                .expect("an empty registry"),
            db,
            federation: options.federation,
            passwords: Hasher::start(&options.hasher).expect("threads start"),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(SEED.fetch_add(1, Ordering::Relaxed))),
            masters: Masters::new(vec![master_key()], None),
            pkcs11: None,
            node: NodeIdentity {
                id: uuid::Uuid::from_u128(SEED.fetch_add(1, Ordering::Relaxed).into()),
                name: "test".to_owned(),
            },
        };
        let provider = Arc::new(Provider::open(parts).await.expect("the keys are made"));
        let site = Site::new(provider.clone(), options.site);
        let mailbox = Arc::new(Mailbox::new(clock.clone()));
        let development = options
            .development
            .then(|| development(&provider, mailbox.clone()));
        let brand = Brand {
            name: provider.settings.brand.clone(),
            site: issuer.clone(),
            accent: [0x1d, 0x4e, 0xd8],
        };
        let post = Post {
            templates: Arc::new(Templates::open(brand, None).expect("ours are right")),
            mailer: options.mailer.unwrap_or_else(|| Some(mailbox.clone())),
        };
        let server = run(listener, site, development);
        Self {
            url,
            issuer,
            provider,
            clock,
            mailbox,
            post,
            server,
            database,
        }
    }

    /// Moves the clock.
    pub fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Sends all mail that is due, as the job does, and returns what came into the mailbox by it, oldest first.
    pub async fn deliver_mail(&self) -> Vec<Message> {
        let before: Vec<MailId> = self.mails().iter().map(|mail| mail.id).collect();
        let mut postman = Postman::new(self.provider.clone(), self.post.clone());
        while postman.round().await.expect("the database answers") > 0 {
            postman.finish().await;
        }
        let mut mails = self.mails();
        mails.retain(|mail| !before.contains(&mail.id));
        mails
    }

    /// All mail that has come into the mailbox, oldest first.
    pub fn mails(&self) -> Vec<Message> {
        let mut mails = self.mailbox.messages();
        mails.reverse();
        mails
    }

    pub fn db(&self) -> &Db {
        &self.provider.db
    }

    /// Registers a client by RFC 7591 metadata, and returns its `client_id` and secret.
    pub async fn client(&self, document: Value) -> (String, String) {
        let (registration, _) = metadata::parse(&document).expect("the test's metadata is right");
        let keys = self.provider.keys();
        let clients = Clients {
            db: self.db(),
            secret_keys: &keys.mac.client_secret,
            issuer: &self.issuer,
            random: &*self.provider.random,
        };
        let mut made = clients
            .create(vec![registration], self.provider.now())
            .await
            .expect("the test's client is right");
        self.provider.reload().await.expect("the registry is read");
        let made = made.pop().expect("one went in");
        let secret = made.secret.map(|secret| secret.expose().to_owned());
        (made.client.id.to_string(), secret.unwrap_or_default())
    }

    /// A public first-party client with refresh tokens, known as `spa`.
    pub async fn spa(&self) -> String {
        self.client(json!({
            "client_id": "spa", "client_name": "Example SPA", "token_endpoint_auth_method": "none",
            "redirect_uris": [CALLBACK], "post_logout_redirect_uris": ["https://app.example/bye"],
            "grant_types": ["authorization_code", "refresh_token"], "first_party": true,
            "id_token_signed_response_alg": "EdDSA",
            "scope": "openid profile email address phone offline_access notes:read",
        }))
        .await
        .0
    }

    /// Registers an API.
    pub async fn resource(&self, identifier: &str, scope: &str) {
        let registered = self.resource_signed_with(identifier, scope, None).await;
        registered.expect("the test's resource is right");
    }

    /// Registers an API that asks for an algorithm, or does not.
    pub async fn resource_signed_with(
        &self,
        identifier: &str,
        scope: &str,
        algorithm: Option<SigningAlgorithm>,
    ) -> Result<(), ResourcesError> {
        let resource = Resource {
            identifier: identifier.to_owned(),
            name: "Notes".to_owned(),
            scopes: ScopeSet::parse(scope).expect("a scope"),
            access_token_signing_alg: algorithm,
        };
        resources::create(self.db(), &resource, &self.issuer, self.provider.now()).await?;
        self.provider.reload().await.expect("the registry is read");
        Ok(())
    }

    /// Makes an account past the pages.
    pub async fn user(&self, email: &str, profile: Value) -> UserId {
        let hash = self
            .provider
            .passwords
            .hash(&Password::presented(PASSWORD), [9; 16])
            .await;
        let Value::Object(profile) = profile else {
            panic!("a profile is an object")
        };
        let user = NewUser {
            id: UserId::generate(&*self.provider.random),
            email: &EmailAddress::parse(email).expect("an address"),
            email_verified: true,
            name: "Ada Lovelace",
            profile: &Profile::new(profile).expect("standard claims"),
            password_hash: Some(&hash.expect("hashed")),
            last_login_at: None,
            signup: None,
        };
        users::insert(self.db(), &user, self.provider.now())
            .await
            .expect("stored");
        user.id
    }

    /// How many rows a table has.
    pub async fn count(&self, table: &str) -> i64 {
        let client = self.database.client().await;
        let row = client
            .query_one(&format!("SELECT count(*) FROM {table}"), &[])
            .await;
        row.expect("counted").get(0)
    }

    /// Runs a statement that only a test would.
    pub async fn sql(&self, statement: &str) {
        let client = self.database.client().await;
        client
            .batch_execute(statement)
            .await
            .expect("the test's statement runs");
    }

    /// Makes a client by its id disabled.
    pub async fn disable_client(&self, id: &str) {
        let id: ClientId = id.parse().expect("an id");
        signet::storage::clients::disable(self.db(), &id, self.provider.now())
            .await
            .expect("disabled");
        self.provider.reload().await.expect("the registry is read");
    }
}

/// The redirect URI of the tests' clients. Nobody listens there: the tests read the address.
pub const CALLBACK: &str = "https://app.example/callback";

/// A password that nobody guesses.
pub const PASSWORD: &str = "correct-horse battery staple 7";

impl Drop for TestApp {
    fn drop(&mut self) {
        // Not waited for: the workers end by themselves, and the database is dropped by force.
        drop(self.server.stop(false));
        self.provider.db.close();
    }
}

/// What `signet dev` hands to its pages.
fn development(provider: &Arc<Provider>, mailbox: Arc<Mailbox>) -> DevSite {
    let published = provider.clone();
    DevSite {
        issuer: provider.settings.issuer.clone(),
        jwks: Arc::new(move || published.keys().ring.jwks(published.now()).body.clone()),
        mailbox,
        clock: provider.clock.clone(),
    }
}

fn run(listener: TcpListener, site: Site, development: Option<DevSite>) -> ServerHandle {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let ops = OpsState {
                provider: std::sync::Arc::clone(&site.provider),
                metrics: None,
            };
            let server = listen(listener, site, ops, development, 2).expect("the listener works");
            sender.send(server.handle()).expect("the test waits");
            server.await.expect("the server runs");
        });
    });
    receiver.recv().expect("the server starts")
}
