//! The scenarios of the table, each a function that adds its lines.

use std::fs;
use std::time::Duration;

use super::bare;
use super::bench::{Bench, Measured, SPA};
use super::http;
use super::load::{CONNECTIONS, Latencies, Load};
use super::process;
use super::servers::Server;
use super::table::{Better, Bound};
use super::walks::{AUTHORIZE, REDEEM, Refresh, SCOPE, SERVED, SHED, Same, Storm};

/// How many log in at once in the storm.
const STORM: usize = 200;

/// Memory that a hashing thread may take in the storm, and all the rest above the idle server, in MiB.
const PER_HASH_THREAD: f64 = 20.0;
/// See [`PER_HASH_THREAD`]: 30 MB.
const BESIDES: f64 = 28.6;

/// Megabytes are what the bounds are told in, MiB what is measured.
const MIB_IN_40_MB: f64 = 38.1;
const MIB_IN_25_MB: f64 = 23.8;

const HASH_THREADS: f64 = 2.0;

pub async fn jwks(bench: &mut Bench) -> anyhow::Result<()> {
    document(bench, "JWKS", "/.well-known/jwks.json").await
}

pub async fn discovery(bench: &mut Bench) -> anyhow::Result<()> {
    document(bench, "discovery", "/.well-known/openid-configuration").await
}

async fn document(bench: &mut Bench, scenario: &'static str, path: &str) -> anyhow::Result<()> {
    let request = http::get(path, &[]);
    let both = bench.compare(same(&request, 200), same(&request, 200)).await?;
    bench.figures_of(scenario, &both, Bound::at_least(0.85, 0.95), Bound::at_most(1.25));
    Ok(())
}

pub async fn client_credentials(bench: &mut Bench) -> anyhow::Result<()> {
    let request = bench.token_request();
    let both = bench.compare(same(&request, 200), same(&request, 200)).await?;
    bench.figures_of(
        "client_credentials",
        &both,
        Bound::at_least(0.65, 1.0),
        Bound::at_most(1.5),
    );
    let (us, _) = &both;
    // Jobs poll twice a second; a request that asked the database would cost it ten times this.
    let bound = Bound::at_most(0.01);
    bench.figure(
        "client_credentials",
        "database CPU s / 1,000",
        (us.database_cpu(), None),
        bound,
    );
    Ok(())
}

/// The access token alone, which is the one JWT of the limit; and as most clients do it, with an ID token.
pub async fn refresh(bench: &mut Bench) -> anyhow::Result<()> {
    const ALONE: &str = "profile email";
    let ours = bench.users.iter().map(|user| Refresh {
        client: SPA.to_owned(),
        token: user.refresh_token.clone(),
        scope: SCOPE,
    });
    let theirs = (0..CONNECTIONS).map(|number| Refresh {
        client: SPA.to_owned(),
        token: format!("{}{number:012}.1", bare::FAMILIES[0]),
        scope: ALONE,
    });
    let (ours, with_id_token) = bench
        .measure(bench.signet()?, ours.collect(), bench.length / 2)
        .await?;
    let ours = ours.into_iter().map(|family| Refresh {
        scope: ALONE,
        ..family
    });
    let both = bench.compare(ours.collect(), theirs.collect()).await?;
    bench.figures_of("refresh", &both, Bound::at_least(0.6, 0.8), Bound::REPORTED);
    let (us, them) = &both;
    let database = (us.database_cpu(), Some(them.database_cpu()));
    bench.figure("refresh", "database CPU s / 1,000", database, Bound::at_most(1.5));
    let two = (with_id_token.rate(), Some(them.rate()));
    bench.figure("refresh", "requests/s, with ID tokens", two, Bound::REPORTED);
    let family = format!(
        "('{}' || lpad(:client_id::text, 12, '0'))::uuid",
        bare::FAMILIES[1]
    );
    let client = format!("'{SPA}'");
    let script = [
        ("$1", &*family),
        ("$2", &*client),
        ("$3", ":serial"),
        ("$4", "now()"),
        ("$5", "1"),
        ("$6", "now() - interval '30 s'"),
        ("$7", "now() - interval '24 h'"),
        ("$8", "now() + interval '14 days'"),
    ]
    .iter()
    .fold(bare::REFRESH.to_owned(), |script, (parameter, value)| {
        script.replace(parameter, value)
    });
    let path = bench.directory.join("refresh.pgbench");
    fs::write(&path, format!("{script};\n\\set serial :serial + 1\n"))?;
    match bench.postgres.pgbench(&path, CONNECTIONS, bench.length)? {
        Some(rate) => {
            let bound = Bound::at_least(0.5, 0.65);
            bench.figure(
                "refresh",
                "requests/s, to pgbench",
                (us.rate(), Some(rate)),
                bound,
            );
        }
        None => eprintln!("  pgbench is not installed beside the server: the second limit is left out"),
    }
    Ok(())
}

pub async fn userinfo(bench: &mut Bench) -> anyhow::Result<()> {
    let request = |token: &str| Same {
        request: http::get(
            "/oauth2/userinfo",
            &[("Authorization", &format!("Bearer {token}"))],
        ),
        status: 200,
    };
    let ours = bench
        .users
        .iter()
        .map(|user| request(&user.access_token))
        .collect();
    let theirs = bench.users.iter().map(|user| request(&user.bare_token)).collect();
    let both = bench.compare(ours, theirs).await?;
    token_lookup(bench, "userinfo", &both);
    Ok(())
}

pub async fn introspection(bench: &mut Bench) -> anyhow::Result<()> {
    let (id, secret) = bench.api.clone();
    let request = |token: &str| Same {
        request: http::post(
            "/oauth2/introspect",
            &[],
            &[("token", token), ("client_id", &id), ("client_secret", &secret)],
        ),
        status: 200,
    };
    let ours = bench
        .users
        .iter()
        .map(|user| request(&user.access_token))
        .collect();
    let theirs = bench.users.iter().map(|user| request(&user.bare_token)).collect();
    let both = bench.compare(ours, theirs).await?;
    token_lookup(bench, "introspection", &both);
    Ok(())
}

fn token_lookup(bench: &mut Bench, scenario: &'static str, both: &(Measured, Measured)) {
    bench.figures_of(scenario, both, Bound::at_least(0.5, 0.8), Bound::REPORTED);
    let (us, them) = both;
    let database = (us.database_cpu(), Some(them.database_cpu()));
    bench.figure(scenario, "database CPU s / 1,000", database, Bound::REPORTED);
}

pub async fn code_flow(bench: &mut Bench) -> anyhow::Result<()> {
    let flows = std::mem::take(&mut bench.flows);
    let (_, measured) = bench.measure(bench.signet()?, flows, bench.length).await?;
    let scenario = "code flow";
    let reported = |bench: &mut Bench, what: &str, value: f64| {
        bench.figure(scenario, what, (value, None), Bound::REPORTED);
    };
    #[expect(clippy::cast_precision_loss, reason = "a run has less than 2^52 requests")]
    let share = measured.latencies.count_of(REDEEM) as f64 / measured.latencies.count() as f64;
    reported(bench, "whole flows/s", measured.rate() * share);
    for (kind, name) in [(AUTHORIZE, "authorize"), (REDEEM, "token")] {
        for (percent, share) in [("p50", 0.5), ("p99", 0.99)] {
            let value = measured.latencies.percentile(kind, share);
            reported(bench, &format!("{name}, {percent} ms"), value);
        }
    }
    reported(bench, "server CPU s / 1,000 steps", measured.server_cpu());
    reported(bench, "database CPU s / 1,000 steps", measured.database_cpu());
    Ok(())
}

pub async fn login(bench: &mut Bench) -> anyhow::Result<()> {
    let logins = || -> Vec<Same> {
        logins(bench)
            .into_iter()
            .map(|request| Same { request, status: 303 })
            .collect()
    };
    let both = bench.compare(logins(), logins()).await?;
    bench.figures_of("login", &both, Bound::at_least(0.9, 0.97), Bound::at_most(1.1));
    let database = (both.0.database_cpu(), None);
    bench.figure("login", "database CPU s / 1,000", database, Bound::REPORTED);
    Ok(())
}

fn logins(bench: &Bench) -> Vec<Vec<u8>> {
    bench
        .users
        .iter()
        .map(|user| user.login_request.clone())
        .collect()
}

/// A probe beside the logins: as Signet's answers from memory must not wait behind its hashing.
pub async fn jwks_under_logins(bench: &mut Bench) -> anyhow::Result<()> {
    const ROUNDS: u32 = 3;
    let (mut us, mut them) = (Latencies::default(), Latencies::default());
    for _ in 0..ROUNDS {
        them.merge(probe(bench, &bench.bare).await?);
        us.merge(probe(bench, bench.signet()?).await?);
    }
    let scenario = "JWKS under logins";
    for (percent, share, bound) in [
        ("p50", 0.5, Bound::REPORTED),
        ("p99", 0.99, Bound::at_most(2.0).aiming(1.3)),
    ] {
        let values = (us.percentile(0, share), Some(them.percentile(0, share)));
        bench.figure(scenario, format!("{percent}, ms"), values, bound);
    }
    Ok(())
}

async fn probe(bench: &Bench, server: &Server) -> anyhow::Result<Latencies> {
    const PROBES: usize = 4;
    const PAUSE: Duration = Duration::from_millis(5);
    let logins: Vec<Same> = logins(bench)
        .into_iter()
        .map(|request| Same { request, status: 303 })
        .collect();
    let logins = Load::start(server.address, logins, Duration::ZERO);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let request = http::get("/.well-known/jwks.json", &[]);
    let probes = same(&request, 200).into_iter().take(PROBES).collect();
    let probes = Load::start(server.address, probes, PAUSE);
    probes.measure();
    tokio::time::sleep(bench.length / 3).await;
    let (_, latencies) = probes.stop()?;
    logins.stop()?;
    Ok(latencies)
}

pub async fn memory(bench: &mut Bench) -> anyhow::Result<()> {
    bench.restart().await?;
    // What the start itself used has been given back by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = bench.signet()?.pid();
    let idle = process::memory(pid)?.present;
    let requests = logins(bench);
    let storm = (0..STORM).map(|number| Storm(requests[number % requests.len()].clone()));
    let load = Load::start(bench.signet()?.address, storm.collect(), Duration::ZERO);
    load.measure();
    tokio::time::sleep(bench.length).await;
    let (_, latencies) = load.stop()?;
    let peak = process::memory(pid)?.peak;
    let scenario = "memory";
    let lower = |must, aim| Bound {
        better: Better::Lower,
        must: Some(must),
        aim,
    };
    bench.figure(
        scenario,
        "idle, MiB",
        (idle, None),
        lower(MIB_IN_40_MB, Some(MIB_IN_25_MB)),
    );
    let most = PER_HASH_THREAD.mul_add(HASH_THREADS, idle + BESIDES);
    bench.figure(
        scenario,
        "peak of 200 logins at once, MiB",
        (peak, None),
        lower(most, None),
    );
    for (kind, name) in [(SERVED, "logged in"), (SHED, "told to come back")] {
        #[expect(clippy::cast_precision_loss, reason = "a run has less than 2^52 requests")]
        let count = latencies.count_of(kind) as f64;
        bench.figure(
            scenario,
            format!("{name} in the storm"),
            (count, None),
            Bound::REPORTED,
        );
    }
    Ok(())
}

pub async fn start(bench: &mut Bench) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(bench.restart().await?);
    }
    times.sort_unstable();
    let bound = Bound::at_most(0.5).aiming(0.2);
    bench.figure(
        "start",
        "to the first 200, s",
        (times[2].as_secs_f64(), None),
        bound,
    );
    Ok(())
}

fn same(request: &[u8], status: u16) -> Vec<Same> {
    let one = || Same {
        request: request.to_vec(),
        status,
    };
    (0..CONNECTIONS).map(|_| one()).collect()
}
