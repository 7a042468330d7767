//! `make bench`: what Signet costs beside what it must cost at least. Every figure is a ratio to a limit that is
//! measured in the same run, on the same two cores, and a figure that misses what it must reach ends the run with
//! status 1.
//!
//! The servers are processes of their own: `signet serve` as released, and [`bare`], which does nothing but the
//! one thing that is measured. This process makes the load and reads from `/proc` what they cost.
//!
//! Options, after `cargo bench --bench limits --`: `--format table|json`, and names of scenarios to run those
//! alone. `BENCH_SECONDS` is how long each side of a scenario is measured (6), `BENCH_ROWS` how many users the
//! large database has (1000000), `BENCH_DIR` where the databases lie (the system's place for temporary files).

mod bare;
mod bench;
mod growth;
mod http;
mod load;
mod postgres;
mod process;
mod scenarios;
mod servers;
mod table;
mod timing;
mod walks;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};

use self::bench::Bench;
use self::postgres::Postgres;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCENARIOS: [&str; 13] = [
    "jwks",
    "discovery",
    "client_credentials",
    "refresh",
    "userinfo",
    "introspection",
    "code_flow",
    "login",
    "jwks_under_logins",
    "memory",
    "start",
    "enumeration",
    "growth",
];

fn main() -> ExitCode {
    // Cargo says `--bench` to every bench that it runs.
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let result = match arguments.split_first() {
        Some((first, [directory])) if first == "bare" => bare::run(Path::new(directory)).map(|()| true),
        _ => Options::read(&arguments).and_then(run),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a figure misses what it must reach");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    json: bool,
    scenarios: Vec<String>,
    length: Duration,
    rows: i64,
    directory: PathBuf,
}

impl Options {
    fn read(arguments: &[String]) -> anyhow::Result<Self> {
        let mut json = false;
        let mut scenarios = Vec::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--format" => {
                    json = match rest.next().map(String::as_str) {
                        Some("json") => true,
                        Some("table") => false,
                        _ => bail!("--format is table or json"),
                    }
                }
                name if SCENARIOS.contains(&name) => scenarios.push(name.to_owned()),
                other => bail!("{other} is no scenario; there are {}", SCENARIOS.join(" ")),
            }
        }
        if scenarios.is_empty() {
            scenarios.extend(SCENARIOS.map(str::to_owned));
        }
        let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let seconds: f64 = variable("BENCH_SECONDS", "6").parse().context("BENCH_SECONDS")?;
        let directory = std::env::var_os("BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Ok(Self {
            json,
            scenarios,
            length: Duration::try_from_secs_f64(seconds).context("BENCH_SECONDS")?,
            rows: variable("BENCH_ROWS", "1000000").parse().context("BENCH_ROWS")?,
            directory: directory.join(format!("signet-bench-{}", std::process::id())),
        })
    }
}

/// Runs the scenarios and prints the table. Says whether every figure reaches what it must.
fn run(options: Options) -> anyhow::Result<bool> {
    process::keep_to_two_cores()?;
    fs::create_dir_all(&options.directory)?;
    // PostgreSQL may run as another user, and must get through.
    fs::set_permissions(&options.directory, fs::Permissions::from_mode(0o755))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let directory = options.directory.clone();
    let result = runtime.block_on(measure_all(options));
    let removed = fs::remove_dir_all(directory);
    let passed = result?;
    removed?;
    Ok(passed)
}

async fn measure_all(options: Options) -> anyhow::Result<bool> {
    eprintln!("set-up");
    let postgres = Postgres::start(&options.directory).await?;
    let machine = bench::machine(&postgres);
    let mut bench = Bench::set_up(options.directory.clone(), options.length, postgres).await?;
    let mut result = Ok(());
    for name in &options.scenarios {
        eprintln!("{name}");
        result = scenario(&mut bench, name, options.rows)
            .await
            .with_context(|| name.clone());
        if result.is_err() {
            eprintln!("{}", bench.installation.log());
            break;
        }
    }
    let Bench {
        postgres,
        figures,
        signet,
        bare,
        ..
    } = bench;
    drop((signet, bare));
    postgres.stop().await?;
    result?;
    if options.json {
        println!("{:#}", table::json(&figures, &machine));
    } else {
        print!("{}", table::text(&figures));
    }
    Ok(figures.iter().all(table::Figure::passes))
}

async fn scenario(bench: &mut Bench, name: &str, rows: i64) -> anyhow::Result<()> {
    match name {
        "jwks" => scenarios::jwks(bench).await,
        "discovery" => scenarios::discovery(bench).await,
        "client_credentials" => scenarios::client_credentials(bench).await,
        "refresh" => scenarios::refresh(bench).await,
        "userinfo" => scenarios::userinfo(bench).await,
        "introspection" => scenarios::introspection(bench).await,
        "code_flow" => scenarios::code_flow(bench).await,
        "login" => scenarios::login(bench).await,
        "jwks_under_logins" => scenarios::jwks_under_logins(bench).await,
        "memory" => scenarios::memory(bench).await,
        "start" => scenarios::start(bench).await,
        "enumeration" => timing::timing(bench).await,
        "growth" => growth::growth(bench, rows).await,
        other => bail!("no scenario {other}"),
    }
}
