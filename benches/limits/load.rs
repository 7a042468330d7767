//! The load: connections that each walk their requests one after another, as fast as they are answered, for a
//! bounded time. They run on threads of their own, in another process than the servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use super::http::Connection;

/// Connections of every scenario of the table.
pub const CONNECTIONS: usize = 32;

/// Threads that generate load: with one, a server that is quick enough would wait for it.
const THREADS: usize = 2;

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const STOP: u8 = 2;

/// What one connection does.
pub trait Walk: Send + 'static {
    /// One request and its answer. Says which kind of step it was, for those that have several.
    fn step(&mut self, connection: &mut Connection) -> impl Future<Output = anyhow::Result<usize>> + Send;
}

/// The latencies of the steps that ended while it was measured, in microseconds, by kind.
#[derive(Debug, Default, Clone)]
pub struct Latencies(Vec<Vec<u32>>);

impl Latencies {
    fn record(&mut self, kind: usize, elapsed: Duration) {
        if self.0.len() <= kind {
            self.0.resize(kind + 1, Vec::new());
        }
        self.0[kind].push(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn merge(&mut self, other: Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), Vec::new());
        }
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            mine.extend(theirs);
        }
    }

    /// How many steps of all kinds.
    pub fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// How many steps of one kind.
    pub fn count_of(&self, kind: usize) -> usize {
        self.0.get(kind).map_or(0, Vec::len)
    }

    /// The latency that `share` of the steps of a kind stay below, in milliseconds.
    pub fn percentile(&self, kind: usize, share: f64) -> f64 {
        let mut sorted = self.0.get(kind).cloned().unwrap_or_default();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank within a run of some seconds"
        )]
        let rank = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted
            .get(rank)
            .map_or(f64::NAN, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Walks that have stopped, and how long their steps took.
type Walked<W> = (Vec<W>, Latencies);

/// Load that is going on.
pub struct Load<W> {
    phase: Arc<AtomicU8>,
    threads: Vec<JoinHandle<anyhow::Result<Walked<W>>>>,
}

impl<W: Walk> Load<W> {
    /// Opens a connection a walk to `address` and lets them all go, with a pause after each step.
    pub fn start(address: SocketAddr, walks: Vec<W>, pause: Duration) -> Self {
        let phase = Arc::new(AtomicU8::new(WARM_UP));
        let threads = THREADS.min(walks.len()).max(1);
        let mut shares: Vec<Vec<W>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, walk) in walks.into_iter().enumerate() {
            shares[number % threads].push(walk);
        }
        let threads = shares
            .into_iter()
            .map(|share| {
                let phase = Arc::clone(&phase);
                std::thread::spawn(move || run(address, share, pause, &phase))
            })
            .collect();
        Self { phase, threads }
    }

    /// From now on latencies count.
    pub fn measure(&self) {
        self.phase.store(MEASURE, Ordering::SeqCst);
    }

    /// Ends the load: what was asked is still answered, and the walks can go on another time.
    pub fn stop(self) -> anyhow::Result<Walked<W>> {
        self.phase.store(STOP, Ordering::SeqCst);
        let (mut walks, mut latencies) = (Vec::new(), Latencies::default());
        for thread in self.threads {
            let (share, measured) = thread.join().map_err(|_| anyhow!("a thread panicked"))??;
            walks.extend(share);
            latencies.merge(measured);
        }
        Ok((walks, latencies))
    }
}

fn run<W: Walk>(
    address: SocketAddr,
    walks: Vec<W>,
    pause: Duration,
    phase: &Arc<AtomicU8>,
) -> anyhow::Result<Walked<W>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let going: Vec<_> = walks
            .into_iter()
            .map(|walk| tokio::spawn(walk_on(address, walk, pause, Arc::clone(phase))))
            .collect();
        let (mut walks, mut latencies) = (Vec::new(), Latencies::default());
        for walk in going {
            let (walk, measured) = walk.await??;
            walks.push(walk);
            latencies.merge(measured);
        }
        Ok((walks, latencies))
    })
}

async fn walk_on<W: Walk>(
    address: SocketAddr,
    mut walk: W,
    pause: Duration,
    phase: Arc<AtomicU8>,
) -> anyhow::Result<(W, Latencies)> {
    let mut latencies = Latencies::default();
    let mut connection = Connection::open(address).await.context("connect")?;
    while phase.load(Ordering::Relaxed) != STOP {
        let began = Instant::now();
        let kind = walk.step(&mut connection).await?;
        if phase.load(Ordering::Relaxed) == MEASURE {
            latencies.record(kind, began.elapsed());
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    Ok((walk, latencies))
}
