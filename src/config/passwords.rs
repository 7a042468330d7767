//! `[passwords]`

use std::time::Duration;

use url::Url;

use super::issuer::is_loopback;
use super::reader::Reader;

/// How passwords are judged and hashed.
#[derive(Debug, Clone)]
pub struct Passwords {
    /// argon2id's memory, in KiB.
    pub memory_kib: u32,
    /// argon2id's passes.
    pub iterations: u32,
    /// argon2id's lanes.
    pub parallelism: u32,
    /// The least zxcvbn score of a new password, 0 to 4; 0 is off.
    pub min_strength: u8,
    /// Where it is asked whether a new password has leaked; none: it is not.
    pub breach_check_url: Option<Url>,
    /// How many threads hash. By default one a core.
    pub hash_threads: usize,
    /// How long a hash waits for its turn before the caller is told to come back.
    pub hash_queue_timeout: Duration,
}

/// The memory times the passes of the weakest parameters that OWASP's password storage cheat sheet names
/// (7168 KiB, five passes).
const LEAST_WORK: u64 = 7168 * 5;

impl Passwords {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let passwords = Self {
            memory_kib: reader.value("passwords.memory_kib", "19456"),
            iterations: reader.value("passwords.iterations", "2"),
            parallelism: reader.value("passwords.parallelism", "1"),
            min_strength: reader.value("passwords.min_strength", "2"),
            breach_check_url: reader.optional("passwords.breach_check_url"),
            hash_threads: reader.optional("passwords.hash_threads").unwrap_or_else(cores),
            hash_queue_timeout: reader.value("passwords.hash_queue_timeout", "3s"),
        };
        let plain = |url: &Url| {
            let secure = url.scheme() == "https" || is_loopback(url);
            let bare = url.query().is_none() && url.fragment().is_none();
            secure && bare && url.username().is_empty() && url.password().is_none()
        };
        reader.check(
            "passwords.breach_check_url",
            passwords.breach_check_url.as_ref().is_none_or(plain),
            "must be an https URL that five digits can be appended to, as https://api.pwnedpasswords.com/range",
        );
        // RFC 9106 §3.1: at least 8 KiB a lane.
        let least = passwords.parallelism.clamp(1, 16) * 8;
        reader.within("passwords.memory_kib", &passwords.memory_kib, least..=1024 * 1024);
        reader.within("passwords.iterations", &passwords.iterations, 1..=64);
        reader.within("passwords.parallelism", &passwords.parallelism, 1..=16);
        reader.within("passwords.min_strength", &passwords.min_strength, 0..=4);
        reader.within("passwords.hash_threads", &passwords.hash_threads, 1..=256);
        reader.lasts(
            "passwords.hash_queue_timeout",
            passwords.hash_queue_timeout,
            "1ms",
            "60s",
        );
        passwords
    }

    /// A warning if hashes would be cheaper to guess than OWASP advises.
    pub(super) fn weakness(&self) -> Option<String> {
        (u64::from(self.memory_kib) * u64::from(self.iterations) < LEAST_WORK).then(|| {
            "passwords.memory_kib and passwords.iterations are weaker than OWASP advises; \
             leave them out to get its choice"
                .to_owned()
        })
    }
}
