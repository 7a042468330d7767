//! E-mail addresses: kept as given, told apart by a canonical key. Two spellings that a mail server may take
//! for one mailbox, and a reader for one address, must never be two accounts; and no look-alike may be taken
//! for another's address.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The longest address in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const MAX_EMAIL_LENGTH: usize = 254;

/// The longest local part in bytes (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_LENGTH: usize = 64;

/// An address that an account may have. Mail goes to it as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress {
    given: String,
    key: EmailKey,
}

/// What decides which account an address means: the local part without case, the domain as its A-labels.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(String);

/// A text that is no e-mail address of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an e-mail address has the form name@example.org")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Takes an address for a new account. White space around it is dropped.
    ///
    /// # Errors
    /// For anything but one plain address: display names, quoted local parts, address literals, lists, control
    /// characters, and text that Unicode normalisation (NFC) would change.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let given = text.trim();
        if given.len() > MAX_EMAIL_LENGTH || !is_nfc(given) {
            return Err(InvalidEmail);
        }
        let (local, domain) = given.rsplit_once('@').ok_or(InvalidEmail)?;
        local_part_is_plain(local)?;
        let domain = canonical_domain(domain)?;
        Ok(Self {
            given: given.to_owned(),
            key: EmailKey(format!("{}@{domain}", without_case(local))),
        })
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// Its canonical form.
    pub const fn key(&self) -> &EmailKey {
        &self.key
    }
}

impl EmailKey {
    /// The key of what somebody typed to log in: normalised first, so that an account is found however the
    /// keyboard composes its letters. `None` for a text that no account can have as its address.
    pub fn of_typed(text: &str) -> Option<Self> {
        if text.len() > MAX_EMAIL_LENGTH * 4 {
            return None;
        }
        let normal: String = text.trim().nfc().collect();
        EmailAddress::parse(&normal).ok().map(|address| address.key)
    }

    /// The key as the database has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress")
    }
}

impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailKey")
    }
}

fn local_part_is_plain(local: &str) -> Result<(), InvalidEmail> {
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    let plain = |character: char| {
        !character.is_control() && !character.is_whitespace() && !"()<>[]:;@\\,\"".contains(character)
    };
    if local.is_empty() || local.len() > MAX_LOCAL_LENGTH || dots || !local.chars().all(plain) {
        return Err(InvalidEmail);
    }
    Ok(())
}

/// The letters without their case. By way of their capitals, because some share one: σ and ς, s and ſ, i and ı.
fn without_case(local: &str) -> String {
    let capitals = local.chars().flat_map(char::to_uppercase);
    capitals.flat_map(char::to_lowercase).collect()
}

/// The domain as the name system knows it (RFC 5891); a name of one label belongs to nobody.
fn canonical_domain(domain: &str) -> Result<String, InvalidEmail> {
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
    let labels = ascii.split('.').filter(|label| !label.is_empty()).count();
    let numeric = ascii
        .rsplit('.')
        .next()
        .is_some_and(|top| top.bytes().all(|byte| byte.is_ascii_digit()));
    if labels < 2 || ascii.ends_with('.') || numeric {
        return Err(InvalidEmail);
    }
    Ok(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        EmailKey::of_typed(text).map(|key| key.0)
    }

    #[test]
    fn case_composition_and_the_domains_script_do_not_tell_accounts_apart() {
        assert_eq!(key(" Ada@EXAMPLE.org "), Some("ada@example.org".into()));
        assert_eq!(key("JOSÉ@example.org"), key("jose\u{301}@example.org"));
        assert_eq!(key("a@bücher.example"), Some("a@xn--bcher-kva.example".into()));
        assert_eq!(key("a@BÜCHER.example"), key("a@xn--bcher-kva.example"));
        assert_eq!(key("ΟΔΟΣ@example.org"), key("οδος@example.org"));
        assert_eq!(key("STRASSE@example.org"), key("straße@example.org"));
        assert_eq!(key("u\u{17f}er@example.org"), key("user@example.org"));
        assert_ne!(key("a+b@example.org"), key("a@example.org"));
        assert_ne!(key("a.b@example.org"), key("ab@example.org"));
    }

    #[test]
    fn an_account_keeps_one_plain_address_as_given() {
        let address = EmailAddress::parse("Ada.Lovelace+x@Example.ORG").expect("an address");
        assert_eq!(address.as_str(), "Ada.Lovelace+x@Example.ORG");
        for wrong in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "ada@example.org.",
            "ada@127.0.0.1",
            "ada@[127.0.0.1]",
            "ada@exa mple.org",
            "a da@example.org",
            "ada@b@example.org",
            ".ada@example.org",
            "a..b@example.org",
            "\"ada\"@example.org",
            "Ada <ada@example.org>",
            "ada@example.org,eve@example.org",
            "ada@example.org\nBcc: eve@example.org",
            "ada\0@example.org",
            "jose\u{301}@example.org",
            "\u{212a}ate@example.org",
            "ada@exam_ple.org",
        ] {
            assert_eq!(EmailAddress::parse(wrong), Err(InvalidEmail), "{wrong:?}");
        }
        let long = format!("{}@example.org", "a".repeat(65));
        assert!(EmailAddress::parse(&long).is_err());
    }

    #[test]
    fn an_address_is_not_printed() {
        let address = EmailAddress::parse("ada@example.org").expect("an address");
        assert_eq!(
            format!("{address:?} {:?}", address.key()),
            "EmailAddress EmailKey"
        );
    }
}
