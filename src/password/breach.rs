//! How to ask whether a password has leaked somewhere without telling it: the first five digits of its SHA-1 name a range
//! of a million hashes' worth, and what is in the range is compared here (k-anonymity, as Have I Been Pwned serves it).
//! SHA-1 protects nothing in this: it is what such lists are sorted by.

use openssl::sha::sha1;

use crate::domain::password::Password;

/// How many hexadecimal digits leave this process.
const PREFIX: usize = 5;

/// The range that a password lies in, and its place there.
pub struct Range {
    digits: String,
}

impl Range {
    /// The range of `password`.
    pub fn of(password: &Password) -> Self {
        let hash = sha1(password.expose().as_bytes());
        Self {
            digits: hash.iter().map(|byte| format!("{byte:02X}")).collect(),
        }
    }

    /// What is asked for.
    pub fn prefix(&self) -> &str {
        &self.digits[..PREFIX]
    }

    /// Whether the password is among those of `answer`: a line each, with the rest of the hash and how often it was seen.
    /// Those that were never seen only make all answers equally long.
    pub fn is_in(&self, answer: &str) -> bool {
        let rest = &self.digits[PREFIX..];
        let mut lines = answer.lines().filter_map(|line| line.trim().split_once(':'));
        lines.any(|(suffix, seen)| {
            suffix.eq_ignore_ascii_case(rest) && seen.trim().parse().is_ok_and(|seen: u64| seen > 0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_the_range_of_its_sha1_where_it_was_seen() {
        // FIPS 180-2, A.1: SHA-1 of "abc".
        let range = Range {
            digits: sha1(b"abc").iter().map(|byte| format!("{byte:02X}")).collect(),
        };
        assert_eq!(range.prefix(), "A9993");
        let rest = "E364706816ABA3E25717850C26C9CD0D89D";
        for (answer, is_in) in [
            (
                format!("0018A45C4D1DEF81644B54AB7F969B88D65:1\r\n{rest}:12\r\n"),
                true,
            ),
            (rest.to_lowercase() + ":3", true),
            (format!("{rest}:0"), false),
            (format!("{rest}:"), false),
            (rest.to_owned(), false),
            (format!("A9993{rest}:1"), false),
            ("<html>".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(range.is_in(&answer), is_in, "{answer}");
        }
    }
}
