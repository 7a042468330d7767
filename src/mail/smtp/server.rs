//! Where the mail server is, and how a connection to it is opened: what it takes to be believed, and to be let in.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use lettre::address::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands;
use lettre::transport::smtp::extension::{ClientId, MailParameter};
use percent_encoding::percent_decode_str;
use url::{Host, Url};

use super::{InvalidSmtp, SendError};
use crate::domain::secret::Secret;

/// How long one address of the server may take to answer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How a connection is protected. There is no "if the server can": whoever is in between would say that it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// `smtp://`: not at all.
    None,
    /// `smtp+starttls://`: from the second command on (RFC 3207).
    StartTls,
    /// `smtps://`: from the first byte on (RFC 8314 §3.3).
    Tls,
}

/// The server.
pub(super) struct Server {
    host: String,
    port: u16,
    protection: Protection,
    credentials: Option<Credentials>,
    /// What we call ourselves: the domain that mail is from.
    hello: ClientId,
    /// The system's authorities, read when they are needed first.
    tls: OnceLock<TlsParameters>,
}

/// No connection that mail could be sent on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers there.
    #[error("the mail server cannot be reached: {0}")]
    Unreachable(String),
    /// It answers, but not in time.
    #[error("the mail server takes too long")]
    TooSlow,
    /// It is not who it should be, or does not speak TLS there.
    #[error("there is no TLS with the mail server: {0}")]
    Tls(String),
    /// `smtp+starttls://`, and it has no STARTTLS.
    #[error("the mail server does not offer STARTTLS")]
    NoStartTls,
    /// It does not talk to us.
    #[error("the mail server does not let us begin: {0}")]
    Greeting(String),
    /// It wants no login, or another kind of one.
    #[error("the mail server offers no login by PLAIN or LOGIN")]
    NoLogin,
    /// User or password are wrong.
    #[error("the mail server refuses user or password: {0}")]
    Login(String),
    /// It takes no mail that is from `mail.from`.
    #[error("the mail server refuses the sender, mail.from: {0}")]
    Sender(String),
}

impl From<OpenError> for SendError {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::Unreachable(_) | OpenError::TooSlow | OpenError::Tls(_) | OpenError::Greeting(_) => {
                Self::Unavailable(text)
            }
            OpenError::NoStartTls | OpenError::NoLogin | OpenError::Login(_) | OpenError::Sender(_) => {
                Self::Misconfigured(text)
            }
        }
    }
}

impl Server {
    /// Reads `mail.smtp_url`.
    pub(super) fn parse(url: &Secret, from_domain: &str) -> Result<Self, InvalidSmtp> {
        let url = Url::parse(url.expose().trim()).map_err(|_| InvalidSmtp::Url)?;
        let (protection, default_port) = match url.scheme() {
            "smtp" => (Protection::None, 25),
            "smtp+starttls" => (Protection::StartTls, 587),
            "smtps" => (Protection::Tls, 465),
            _ => return Err(InvalidSmtp::Url),
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidSmtp::Url);
        }
        let host = match url.host().ok_or(InvalidSmtp::Url)? {
            Host::Domain(name) => {
                let name = percent_decode_str(name)
                    .decode_utf8()
                    .map_err(|_| InvalidSmtp::Url)?;
                idna::domain_to_ascii(&name).map_err(|_| InvalidSmtp::Url)?
            }
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if host.is_empty() {
            return Err(InvalidSmtp::Url);
        }
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            protection,
            credentials: credentials(&url)?,
            hello: ClientId::Domain(from_domain.to_owned()),
            tls: OnceLock::new(),
        })
    }

    /// Host and port.
    pub(super) fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// What a connection that was opened has shown.
    pub(super) fn describe(&self) -> String {
        let protection = match self.protection {
            Protection::None => "unencrypted",
            Protection::StartTls => "STARTTLS",
            Protection::Tls => "TLS",
        };
        let login = if self.credentials.is_some() {
            "logged in"
        } else {
            "without login"
        };
        format!("{} answers: {protection}, {login}", self.name())
    }

    /// Whether the way there is neither encrypted nor within this machine.
    pub(super) fn may_be_overheard(&self) -> bool {
        let here = self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        self.protection == Protection::None && !here
    }

    /// Connects, greets, encrypts and logs in.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, OpenError> {
        let tls = match self.protection {
            Protection::Tls => Some(self.tls()?),
            _ => None,
        };
        let address = (self.host.as_str(), self.port);
        let connected =
            AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_PATIENCE), &self.hello, tls, None);
        let mut smtp = connected.await.map_err(|error| of_connecting(&error))?;
        if self.protection == Protection::StartTls {
            if !smtp.can_starttls() {
                return Err(OpenError::NoStartTls);
            }
            let encrypted = smtp.starttls(self.tls()?, &self.hello).await;
            encrypted.map_err(|error| of_connecting(&error))?;
        }
        if let Some(credentials) = &self.credentials {
            if smtp
                .server_info()
                .get_auth_mechanism(DEFAULT_MECHANISMS)
                .is_none()
            {
                return Err(OpenError::NoLogin);
            }
            let let_in = smtp.auth(DEFAULT_MECHANISMS, credentials).await;
            let_in.map_err(|error| of_login(&error))?;
        }
        Ok(smtp)
    }

    fn tls(&self) -> Result<TlsParameters, OpenError> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls.clone());
        }
        let made = TlsParameters::builder(self.host.clone()).build_native();
        let made = made.map_err(|error| OpenError::Tls(cause(&error)))?;
        Ok(self.tls.get_or_init(|| made).clone())
    }
}

/// Begins a mail: says who it is from (RFC 5321 §4.1.1.2). What a server has against that it has against every mail, so it
/// is told apart from what it has against a recipient.
pub(super) async fn begin(
    smtp: &mut AsyncSmtpConnection,
    from: Address,
    parameters: Vec<MailParameter>,
) -> Result<(), OpenError> {
    let begun = smtp.command(commands::Mail::new(Some(from), parameters)).await;
    begun.map(drop).map_err(|error| of_sender(&error))
}

fn credentials(url: &Url) -> Result<Option<Credentials>, InvalidSmtp> {
    let decode = |text: &str| {
        let decoded = percent_decode_str(text)
            .decode_utf8()
            .map_err(|_| InvalidSmtp::Credentials)?;
        Ok(decoded.into_owned())
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err(InvalidSmtp::Credentials),
        (user, Some(password)) => Ok(Some(Credentials::new(decode(user)?, decode(password)?))),
    }
}

fn of_connecting(error: &Error) -> OpenError {
    if error.status().is_some() || error.is_response() {
        OpenError::Greeting(reason(error))
    } else if error.is_timeout() {
        OpenError::TooSlow
    } else if error.source().is_some_and(|source| source.is::<std::io::Error>()) {
        OpenError::Unreachable(cause(error))
    } else {
        OpenError::Tls(cause(error))
    }
}

fn of_login(error: &Error) -> OpenError {
    // RFC 4954 §6: 454 is of the kind that passes, and still no word against the password.
    if error.is_permanent() {
        OpenError::Login(reason(error))
    } else {
        OpenError::Greeting(reason(error))
    }
}

fn of_sender(error: &Error) -> OpenError {
    if error.is_permanent() {
        OpenError::Sender(reason(error))
    } else if error.is_timeout() {
        OpenError::TooSlow
    } else {
        OpenError::Greeting(reason(error))
    }
}

/// What a refusal for good is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Whom the mail is from: `mail.from`.
    Sender,
    /// Who may send by this server, what, and to whom.
    Policy,
    /// This mail, most often whom it is for.
    Mail,
}

/// What a refusal is about. Many servers say what they have against us only when they have heard whom a mail is for.
pub(super) fn at_fault(error: &Error) -> Fault {
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    enhanced(&words).map_or(Fault::Mail, fault)
}

/// What an enhanced status is about (RFC 3463 §§3.2 and 3.8, and the registry of RFC 5248).
fn fault(status: &str) -> Fault {
    match status {
        "5.1.7" | "5.1.8" => Fault::Sender,
        // A list that takes no mail, and boxes and domains that changed hands (RFC 7293): nobody's policy but theirs.
        "5.7.2" | "5.7.17" | "5.7.18" => Fault::Mail,
        _ if status.starts_with("5.7.") => Fault::Policy,
        _ => Fault::Mail,
    }
}

/// Why, in our own words and the server's numbers: its words may repeat whom the mail is for.
pub(super) fn reason(error: &Error) -> String {
    if let Some(code) = error.status() {
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        return match enhanced(&words) {
            Some(status) => format!("it answers {code} {status}"),
            None => format!("it answers {code}"),
        };
    }
    if error.is_timeout() {
        return OpenError::TooSlow.to_string();
    }
    if error.is_response() {
        return "its answer is no SMTP, or breaks off".to_owned();
    }
    if error.is_client() {
        return "it cannot take such a mail".to_owned();
    }
    cause(error)
}

/// The enhanced status at the beginning of an answer (RFC 3463 §2), as `5.1.1`.
fn enhanced(words: &str) -> Option<&str> {
    let first = words.split_whitespace().next()?;
    let mut parts = first.split('.');
    let digits = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    let is_one = digits(parts.next(), 1) && digits(parts.next(), 3) && digits(parts.next(), 3);
    (is_one && parts.next().is_none()).then_some(first)
}

/// What the system or the TLS library says. Neither knows of mail.
fn cause(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, InvalidSmtp> {
        Server::parse(&Secret::new(url.to_owned()), "example.org")
    }

    #[test]
    fn a_url_says_where_the_server_is_and_how_it_is_reached() {
        let named =
            |url| server(url).map(|server| (server.name(), server.protection, server.credentials.is_some()));
        assert_eq!(
            named("smtp://localhost"),
            Ok(("localhost:25".to_owned(), Protection::None, false))
        );
        assert_eq!(
            named("smtps://user:p%40ss@smtp.example.org"),
            Ok(("smtp.example.org:465".to_owned(), Protection::Tls, true))
        );
        assert_eq!(
            named("smtp+starttls://user:x@[::1]:2525/"),
            Ok(("[::1]:2525".to_owned(), Protection::StartTls, true))
        );
        assert_eq!(
            named("smtps://b%C3%BCcher.example").map(|named| named.0),
            Ok("xn--bcher-kva.example:465".to_owned())
        );
        for url in [
            "smtp:///",
            "http://example.org",
            "smtp://x/y",
            "smtp://x?tls=required",
            "x",
            "",
            "smtp://",
        ] {
            assert_eq!(named(url), Err(InvalidSmtp::Url), "{url}");
        }
        for url in ["smtp://user@x", "smtp://:password@x", "smtp://u:%ff@x"] {
            assert_eq!(named(url), Err(InvalidSmtp::Credentials), "{url}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_unencrypted_can_be_overheard() {
        for (url, overheard) in [
            ("smtp://localhost:25", false),
            ("smtp://127.0.0.1", false),
            ("smtp://[::1]", false),
            ("smtp://10.0.0.1", true),
            ("smtp://mail.example.org", true),
            ("smtps://mail.example.org", false),
            ("smtp+starttls://mail.example.org", false),
        ] {
            assert_eq!(
                server(url).map(|server| server.may_be_overheard()),
                Ok(overheard),
                "{url}"
            );
        }
    }

    #[test]
    fn an_enhanced_status_says_who_is_at_fault() {
        for (status, about) in [
            ("5.1.7", Fault::Sender),
            ("5.1.8", Fault::Sender),
            ("5.7.0", Fault::Policy),
            ("5.7.1", Fault::Policy),
            ("5.7.26", Fault::Policy),
            ("5.7.2", Fault::Mail),
            ("5.7.17", Fault::Mail),
            ("5.7.18", Fault::Mail),
            ("5.1.1", Fault::Mail),
            ("5.1.2", Fault::Mail),
            ("5.2.1", Fault::Mail),
            ("5.71.1", Fault::Mail),
            ("2.7.1", Fault::Mail),
        ] {
            assert_eq!(fault(status), about, "{status}");
        }
    }

    #[test]
    fn of_an_answer_only_its_numbers_are_told() {
        assert_eq!(enhanced("5.1.1 <ada@example.org> unknown"), Some("5.1.1"));
        assert_eq!(enhanced("4.7.650 later"), Some("4.7.650"));
        for words in ["ada@example.org", "5.1", "5.1.1.1 x", "5.1.1234 x", "", "a.b.c"] {
            assert_eq!(enhanced(words), None, "{words}");
        }
    }
}
