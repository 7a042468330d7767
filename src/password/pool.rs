//! The threads that hash, and the queue before them.
//!
//! The number of threads bounds memory and CPU time, the length of the queue bounds what waits, and the
//! deadline bounds how long. Who cannot be served in time is told so, instead of being hashed for nobody.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::counters::Counters;
use super::memory::{Memory, OutOfMemory};
use super::{Busy, Counts, HasherSettings, StartError};

/// The least time to come back after. `Retry-After` speaks in seconds.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A fixed set of threads, which end when this is dropped. It does not wait for them: it may be dropped where
/// nothing may block.
pub(super) struct Pool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    length: usize,
    timeout: Duration,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    deadline: Instant,
    task: Box<dyn Task>,
}

/// What a thread may do with a job.
trait Task: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;
    fn refuse(self: Box<Self>);
    fn run(self: Box<Self>, memory: &mut Memory);
}

struct Question<W, T> {
    work: W,
    answer: oneshot::Sender<Result<T, Busy>>,
    busy: Busy,
}

impl Pool {
    /// Starts the threads; each makes its working memory of `kept_blocks` when it first hashes.
    pub(super) fn start(
        settings: &HasherSettings,
        kept_blocks: usize,
    ) -> Result<(Self, Vec<JoinHandle<()>>), StartError> {
        let pool = Self(Arc::new(Shared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            length: settings.queue_length,
            timeout: settings.queue_timeout,
            counters: Arc::default(),
        }));
        let threads = (0..settings.threads)
            .map(|number| {
                let shared = Arc::clone(&pool.0);
                let memory = Memory::new(kept_blocks, Arc::clone(&shared.counters));
                std::thread::Builder::new()
                    .name(format!("signet-hash-{number}"))
                    .spawn(move || shared.serve(memory))
            })
            .collect::<Result<_, _>>()
            .map_err(StartError::Thread)?;
        Ok((pool, threads))
    }

    /// Has `work` done by one of the threads.
    ///
    /// # Errors
    /// [`Busy`] at once if the queue is full, and later if no thread came to it in time or the work failed.
    pub(super) async fn ask<T, W>(&self, work: W) -> Result<T, Busy>
    where
        T: Send + 'static,
        W: FnOnce(&mut Memory) -> Result<T, OutOfMemory> + Send + 'static,
    {
        let busy = self.0.busy();
        let (answer, answered) = oneshot::channel();
        self.0.push(Job {
            deadline: Instant::now() + self.0.timeout,
            task: Box::new(Question { work, answer, busy }),
        })?;
        // No answer at all: the work panicked, which its thread has reported.
        answered.await.unwrap_or(Err(busy))
    }

    pub(super) fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0.counters;
        Counts {
            waiting: self.0.lock().jobs.len(),
            hashes: read(&counters.hashes),
            filled_kib: read(&counters.filled_kib),
            shed: read(&counters.shed),
            skipped: read(&counters.skipped),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let jobs = {
            let mut queue = self.0.lock();
            queue.closed = true;
            std::mem::take(&mut queue.jobs)
        };
        self.0.changed.notify_all();
        // Who asks borrows the pool, so all that is left was given up.
        self.0.count_skipped(jobs.len());
    }
}

impl Shared {
    /// The life of a thread.
    fn serve(&self, mut memory: Memory) {
        while let Some(job) = self.next() {
            waiting().decrement(1.0);
            if !job.task.is_wanted() {
                self.counters.skipped.fetch_add(1, Ordering::Relaxed);
            } else if job.deadline < Instant::now() {
                self.count_shed();
                job.task.refuse();
            } else if catch_unwind(AssertUnwindSafe(|| job.task.run(&mut memory))).is_err() {
                tracing::error!("work on a password panicked");
            }
        }
    }

    /// Waits for a job; `None` when there will be no more.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn push(&self, job: Job) -> Result<(), Busy> {
        let mut queue = self.lock();
        if queue.jobs.len() >= self.length {
            // Who asks and goes away at once must not keep others out.
            let before = queue.jobs.len();
            queue.jobs.retain(|job| job.task.is_wanted());
            self.count_skipped(before - queue.jobs.len());
        }
        if queue.jobs.len() >= self.length {
            drop(queue);
            self.count_shed();
            return Err(self.busy());
        }
        waiting().increment(1.0);
        queue.jobs.push_back(job);
        drop(queue);
        self.changed.notify_one();
        Ok(())
    }

    /// By then every job that waits now has been worked or refused.
    fn busy(&self) -> Busy {
        Busy {
            retry_after: self.timeout.max(LEAST_PAUSE),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_shed(&self) {
        self.counters.shed.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("signet_password_shed_total").increment(1);
    }

    fn count_skipped(&self, jobs: usize) {
        self.counters.skipped.fetch_add(jobs as u64, Ordering::Relaxed);
        waiting().decrement(jobs as f64);
    }
}

impl<W, T> Task for Question<W, T>
where
    T: Send,
    W: FnOnce(&mut Memory) -> Result<T, OutOfMemory> + Send,
{
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn refuse(self: Box<Self>) {
        // An error means that nobody waits any more, here and below.
        let _ = self.answer.send(Err(self.busy));
    }

    fn run(self: Box<Self>, memory: &mut Memory) {
        let result = (self.work)(memory).map_err(|error| {
            tracing::error!(%error, "a password was not hashed");
            self.busy
        });
        let _ = self.answer.send(result);
    }
}

fn waiting() -> metrics::Gauge {
    metrics::gauge!("signet_password_queue")
}
