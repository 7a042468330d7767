//! How far an import is: a line that is written again on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::cli::Output;
use crate::flows::import::Counts;

const ON_TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(10);

pub struct Progress {
    output: Output,
    started: Instant,
    told: Instant,
    terminal: bool,
}

impl Progress {
    pub fn start(output: Output) -> Self {
        let now = Instant::now();
        Self {
            output,
            started: now,
            told: now,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub fn tell(&mut self, counts: &Counts) {
        let interval = if self.terminal { ON_TERMINAL } else { ELSEWHERE };
        if self.told.elapsed() < interval {
            return;
        }
        self.told = Instant::now();
        let line = self.line(counts);
        if self.terminal {
            let mut stderr = std::io::stderr();
            // A terminal that is gone reads nothing.
            let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
        } else {
            self.output.message(&line);
        }
    }

    pub fn end(&self, counts: &Counts) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        self.output.message(&format!("{clear}{}", self.line(counts)));
    }

    fn line(&self, counts: &Counts) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^52 users")]
        let rate = counts.read as f64 / seconds.max(0.001);
        format!(
            "{} users read, {} imported, {} already there, {} refused; {seconds:.0} s, {rate:.0} a second",
            counts.read, counts.imported, counts.already_there, counts.refused
        )
    }
}
