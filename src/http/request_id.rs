//! The name of one request: in its answer, in the log, on error pages. Ours alone: a stranger's id in our log
//! would be whatever the stranger wants it to be. It is no secret; it only has to be told from all others.

use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::http::header::HeaderValue;

use crate::random::Random;

/// The hexadecimal digits of an id, half for the process and half for the request.
const LENGTH: usize = 24;
const HALF: usize = LENGTH / 2;

/// An id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId([u8; LENGTH]);

impl RequestId {
    /// As it is shown.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("digits are text")
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        Self::from_bytes(&id.0).expect("digits are a header's value")
    }
}

/// Where the ids of a process come from: a random beginning, and the number of the request. Random bytes for
/// each would cost a system call.
#[derive(Debug)]
pub(super) struct RequestIds {
    process: [u8; HALF],
    next: AtomicU64,
}

impl RequestIds {
    /// The ids of a process that starts.
    pub(super) fn new(random: &dyn Random) -> Self {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let mut process = [0; HALF];
        write_digits(u64::from_be_bytes(bytes), &mut process);
        Self {
            process,
            next: AtomicU64::new(1),
        }
    }

    /// The next one.
    pub(super) fn next(&self) -> RequestId {
        let mut id = [0; LENGTH];
        let (process, request) = id.split_at_mut(HALF);
        process.copy_from_slice(&self.process);
        write_digits(self.next.fetch_add(1, Ordering::Relaxed), request);
        RequestId(id)
    }
}

/// The last digits of `number`, as many as there is room for.
fn write_digits(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::from(number as u8 & 15)];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn an_id_tells_the_process_and_the_request() {
        let ids = RequestIds::new(&SeededRandom::new(1));
        let (first, second) = (ids.next(), ids.next());
        let (process, request) = first.as_str().split_at(HALF);
        assert!(process.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_eq!(request, "000000000001");
        assert_eq!(second.as_str(), format!("{process}000000000002"));
        let other = RequestIds::new(&SeededRandom::new(2)).next();
        assert_ne!(&other.as_str()[..HALF], process);
    }

    #[test]
    fn digits_are_the_last_ones_of_a_number() {
        let mut digits = [0; 4];
        write_digits(0x0123_abcd, &mut digits);
        assert_eq!(&digits, b"abcd");
    }
}
