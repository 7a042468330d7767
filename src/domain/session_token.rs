//! The tokens that name a session, one form for each who holds it. All are MACs over the session's id, so they rest
//! nowhere and the database alone forges none; the form is inside the MAC, so that none is good in another's place.
//!
//! What a script can read is never worth anything as a cookie: whoever steals a [`Form::Bearer`] gets no further
//! than `/api/auth`, and a [`Form::Handle`] proves nothing at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::ids::SessionId;
use super::mac::{MAC_LENGTH, MacKeys};
use super::secret::Secret;

const LENGTH: usize = 16 + MAC_LENGTH;
const ENCODED: usize = LENGTH * 4 / 3;

/// Who holds a token of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The browser, in a cookie that no script reads.
    Cookie,
    /// A program, in its own store.
    Bearer,
    /// Anybody: it names a session of a list, and is of use to its owner alone.
    Handle,
}

impl Form {
    const ALL: [Self; 3] = [Self::Cookie, Self::Bearer, Self::Handle];

    /// What a token of this form starts with. A handle is no secret, and has a prefix that no scanner looks for.
    const fn prefix(self) -> &'static str {
        match self {
            Self::Cookie | Self::Bearer => "signet_st_",
            Self::Handle => "signet_sh_",
        }
    }

    const fn purpose(self) -> &'static str {
        match self {
            Self::Cookie => "signet/st/cookie/v1",
            Self::Bearer => "signet/st/bearer/v1",
            Self::Handle => "signet/st/handle/v1",
        }
    }
}

/// The token of a session in one form.
pub fn write(form: Form, session: SessionId, issuer: &str, keys: &MacKeys) -> Secret {
    let id = session.as_uuid().as_bytes();
    let mut bytes = Zeroizing::new([0; LENGTH]);
    bytes[..16].copy_from_slice(id);
    bytes[16..].copy_from_slice(&keys.current().1.mac(form.purpose(), &[issuer.as_bytes(), id]));
    let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..]));
    Secret::new(format!("{}{}", form.prefix(), *encoded))
}

/// The session that a token of this form names. `None` for anything that [`write()`] cannot have made. Whether the
/// session lives is the database's to say.
pub fn read(form: Form, token: &str, issuer: &str, keys: &MacKeys) -> Option<SessionId> {
    let encoded = token.strip_prefix(form.prefix())?;
    let mut bytes = Zeroizing::new([0; LENGTH]);
    if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]) != Ok(LENGTH) {
        return None;
    }
    let (id, mac) = bytes.split_first_chunk::<16>()?;
    keys.all()
        .any(|key| key.verifies(form.purpose(), &[issuer.as_bytes(), id], mac))
        .then(|| SessionId::from(Uuid::from_bytes(*id)))
}

/// The session that a token names in whichever of `forms` it has.
pub fn read_any(forms: &[Form], token: &str, issuer: &str, keys: &MacKeys) -> Option<SessionId> {
    Form::ALL
        .into_iter()
        .filter(|form| forms.contains(form))
        .find_map(|form| read(form, token, issuer, keys))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mac::MacKey;

    const ISSUER: &str = "https://id.example";

    fn keys(byte: u8) -> MacKeys {
        MacKeys::new(1, vec![(1, MacKey::new(vec![byte; 32]))]).expect("a current key")
    }

    #[test]
    fn no_form_is_good_in_the_place_of_another() {
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        for form in Form::ALL {
            let token = write(form, session, ISSUER, &keys(1));
            for other in Form::ALL {
                let read = read(other, token.expose(), ISSUER, &keys(1));
                assert_eq!(read.is_some(), other == form, "{form:?} as {other:?}");
                // Not by the prefix alone: the bytes behind it are another MAC.
                let disguised = token.expose().replacen(form.prefix(), other.prefix(), 1);
                let read = super::read(other, &disguised, ISSUER, &keys(1));
                assert_eq!(read.is_some(), other == form, "{form:?} as {other:?}");
            }
            let either = [Form::Bearer, Form::Handle];
            let read = read_any(&either, token.expose(), ISSUER, &keys(1));
            assert_eq!(read.is_some(), either.contains(&form), "{form:?}");
        }
    }

    #[test]
    fn a_token_reads_back_under_its_own_issuer_and_key_and_as_it_was_written() {
        let session = SessionId::from(Uuid::from_bytes([7; 16]));
        let token = write(Form::Bearer, session, ISSUER, &keys(1));
        let token = token.expose();
        let read = |token: &str, issuer, byte| read(Form::Bearer, token, issuer, &keys(byte));
        assert_eq!(read(token, ISSUER, 1), Some(session));
        assert_eq!(read(token, "https://other.example", 1), None);
        assert_eq!(read(token, ISSUER, 2), None);
        for at in 0..token.len() {
            let mut wrong = token.to_owned().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert_eq!(read(&wrong, ISSUER, 1), None, "{at}");
        }
        assert_eq!(read(&format!("{token}="), ISSUER, 1), None);
    }
}
