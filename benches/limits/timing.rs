//! Whether a stranger can tell from the time of an answer that an address has an account: the same request for
//! addresses that have one and for addresses that have none, taking turns in random order, compared by ranks
//! (Mann and Whitney's U, which no outlier moves).

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use signet::random::{Random, SystemRandom};

use super::bench::Bench;
use super::http::{self, Connection};
use super::servers::Installation;
use super::table::Bound;

/// Requests of each kind.
const SAMPLES: usize = 200;

/// Answers that are not counted: connections, statements and caches are warm after them.
const WARM_UP: usize = 20;

/// How far from chance the ranks may be, in standard deviations: as far as one run in a thousand is by chance.
const FAR: f64 = 3.29;

/// Addresses must be proven, or a signup says by itself that one is taken. Nobody takes the mail: it is sent aside, and
/// what is measured is whoever asks for it.
const SETTINGS: &str = "[accounts]\n\
    require_verified_email = true\n\
    [mail]\n\
    smtp_url = \"smtp://127.0.0.1:9\"\n\
    from = \"bench@example.org\"\n";

const PASSWORD: &str = "correct-horse battery staple 7";

/// One question, for one address.
type Question = fn(&str) -> (&'static str, Value);

const QUESTIONS: [(&str, Question); 4] = [
    ("login", |email| {
        let wrong = "wrong-horse battery staple 7";
        (
            "/api/auth/sign-in/email",
            json!({"email": email, "password": wrong}),
        )
    }),
    ("signup", |email| ("/api/auth/sign-up/email", sign_up(email))),
    ("reset", |email| {
        ("/api/auth/request-password-reset", json!({"email": email}))
    }),
    ("verification", |email| {
        ("/api/auth/send-verification-email", json!({"email": email}))
    }),
];

fn sign_up(email: &str) -> Value {
    json!({"name": "Ada Lovelace", "email": email, "password": PASSWORD})
}

pub async fn timing(bench: &mut Bench) -> anyhow::Result<()> {
    let directory = bench.directory.join("timing");
    std::fs::create_dir_all(&directory)?;
    let maintenance = bench.postgres.connect("signet").await?;
    maintenance.batch_execute("CREATE DATABASE timing").await?;
    let installation = Installation::with(&directory, bench.postgres.url("timing"), SETTINGS)?;
    let (server, _) = installation.serve().await?;
    let mut connection = Connection::open(server.address).await?;
    let known: Vec<String> = (0..WARM_UP + SAMPLES)
        .map(|n| format!("known{n}@example.org"))
        .collect();
    for email in &known {
        let request = http::post_json("/api/auth/sign-up/email", &sign_up(email));
        connection.exchange(&request).await?.expect(200)?;
    }
    for (name, question) in QUESTIONS {
        let unknown = (0..known.len()).map(|n| format!("{name}{n}@example.org"));
        let (with, without) = ask(&mut connection, &known, unknown, question)
            .await
            .with_context(|| name.to_owned())?;
        let far = distance(&with, &without);
        bench.figure(
            "enumeration",
            format!("{name}, standard deviations from chance"),
            (far, None),
            Bound::at_most(FAR),
        );
        let medians = (middle(with), Some(middle(without)));
        bench.figure(
            "enumeration",
            format!("{name}, median ms, with and without an account"),
            medians,
            Bound::REPORTED,
        );
    }
    Ok(())
}

/// The times of the answers about `known` and `unknown` addresses, in milliseconds.
async fn ask(
    connection: &mut Connection,
    known: &[String],
    unknown: impl Iterator<Item = String>,
    question: Question,
) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (number, (has, has_not)) in known.iter().zip(unknown).enumerate() {
        let mut pair = [(has.as_str(), true), (has_not.as_str(), false)];
        let mut coin = [0];
        SystemRandom.fill(&mut coin);
        if coin[0] & 1 == 1 {
            pair.swap(0, 1);
        }
        let mut statuses = Vec::new();
        for (email, known) in pair {
            let (path, body) = question(email);
            let request = http::post_json(path, &body);
            let began = Instant::now();
            let status = connection.exchange(&request).await?.status;
            let taken = milliseconds(began.elapsed());
            statuses.push(status);
            if number >= WARM_UP {
                if known { &mut with } else { &mut without }.push(taken);
            }
        }
        ensure!(
            statuses[0] == statuses[1] && statuses[0] < 500,
            "the answers themselves differ: {statuses:?}"
        );
    }
    Ok((with, without))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How far the sum of ranks of `one` is from what chance makes it, in standard deviations. Times are fine enough that
/// ties do not matter.
#[expect(clippy::cast_precision_loss, reason = "a few hundred samples")]
fn distance(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one
        .iter()
        .map(|time| (*time, true))
        .chain(other.iter().map(|time| (*time, false)))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ranks: f64 = all
        .iter()
        .enumerate()
        .filter(|(_, (_, first))| *first)
        .map(|(rank, _)| rank as f64 + 1.0)
        .sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let expected = n * (n + m + 1.0) / 2.0;
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    ((ranks - expected) / deviation).abs()
}

fn middle(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
