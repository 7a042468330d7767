//! Mail by SMTP (RFC 5321), to the one server that the operator named.
//!
//! Connections are kept for a while and used again. The pool is our own, since an attempt is cut off when it takes too
//! long: a connection that is between a command and its answer then goes away with the attempt, and is never the next
//! mail's. What a server says is logged by its numbers only; its words repeat addresses.

mod server;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use lettre::address::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Rcpt};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};

use self::server::{Fault, Server};
use super::{Mail, Mailer, SendError};
use crate::clock::Clock;
use crate::domain::secret::Secret;

pub use self::server::OpenError;

/// How long a whole attempt may take.
const SEND_PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection waits for its next mail: less than servers wait (RFC 5321 §4.5.3.2.7: 5 minutes).
const IDLE: Duration = Duration::from_secs(30);
/// The most connections that wait.
const MAX_IDLE: usize = 4;
/// How many mails go through one connection: servers count them.
const MAX_MAILS: u32 = 50;

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// `mail.smtp_url`.
    pub url: Secret,
    /// `mail.from`.
    pub from: String,
}

/// What is configured is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSmtp {
    /// The URL does not say where the server is.
    #[error(
        "mail.smtp_url must be smtp://, smtps:// or smtp+starttls:// with USER:PASSWORD@HOST:PORT, and nothing behind"
    )]
    Url,
    /// A user without a password, or the other way round.
    #[error("mail.smtp_url must name both user and password, each percent-encoded, or neither")]
    Credentials,
    /// The sender is no address.
    #[error("mail.from must be one address, as `Signet <id@example.org>`")]
    From,
}

/// A server that takes our mail.
pub struct Smtp {
    server: Server,
    from: Mailbox,
    clock: Arc<dyn Clock>,
    idle: Arc<Mutex<Vec<Idle>>>,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smtp")
            .field("server", &self.server.name())
            .finish_non_exhaustive()
    }
}

/// A connection that waits for its next mail.
struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection that is logged in.
struct Connection {
    smtp: AsyncSmtpConnection,
    mails: u32,
}

/// RFC 3834 §5: nobody's automatic answer should answer it.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

impl Smtp {
    /// Reads the settings; nothing is connected yet.
    ///
    /// # Errors
    /// When they are of no use.
    pub fn new(settings: &SmtpSettings, clock: Arc<dyn Clock>) -> Result<Self, InvalidSmtp> {
        let from: Mailbox = settings.from.trim().parse().map_err(|_| InvalidSmtp::From)?;
        let address = ascii_domain(from.email.as_ref()).ok_or(InvalidSmtp::From)?;
        if !address.is_ascii() || from.name.as_deref().is_some_and(has_control) {
            return Err(InvalidSmtp::From);
        }
        let from = Mailbox::new(from.name, address.parse().map_err(|_| InvalidSmtp::From)?);
        Ok(Self {
            server: Server::parse(&settings.url, from.email.domain())?,
            from,
            clock,
            idle: Arc::default(),
        })
    }

    /// Whether what we send can be read on the way: links and codes let whoever reads them act for the user.
    pub fn may_be_overheard(&self) -> bool {
        self.server.may_be_overheard()
    }

    /// The server, as `host:port`.
    pub fn server_name(&self) -> String {
        self.server.name()
    }

    /// Connects, logs in and begins a mail, and sends none. In words, what was found.
    ///
    /// # Errors
    /// When a mail could not be sent either.
    pub async fn check(&self) -> Result<String, OpenError> {
        let begun = async {
            let mut smtp = self.server.open().await?;
            let begun = server::begin(&mut smtp, self.from.email.clone(), Vec::new()).await;
            Ok((smtp, begun))
        };
        let begun = tokio::time::timeout(SEND_PATIENCE, begun).await;
        let (mut smtp, begun) = begun.map_err(|_| OpenError::TooSlow)??;
        // The mail that was begun ends with the connection, and is none (RFC 5321 §4.1.1.10).
        drop(tokio::time::timeout(SEND_PATIENCE, smtp.quit()).await);
        begun.map(|()| self.server.describe())
    }

    async fn deliver(&self, mail: &Mail) -> Result<(), SendError> {
        let (to, message) = self.compose(mail)?;
        let mut connection = self.connection().await?;
        if !to.is_ascii()
            && !connection
                .smtp
                .server_info()
                .supports_feature(Extension::SmtpUtfEight)
        {
            self.park(connection);
            let text =
                "the address has letters beyond ASCII, which the server does not take (SMTPUTF8, RFC 6531)";
            return Err(SendError::Refused(text.to_owned()));
        }
        let (smtp, mail) = (&mut connection.smtp, message.formatted());
        server::begin(smtp, self.from.email.clone(), parameters(&to, &mail)).await?;
        let taken = hand_over(smtp, message.envelope().to(), &mail).await;
        taken.map_err(|error| of_mail(&error))?;
        connection.mails += 1;
        self.park(connection);
        Ok(())
    }

    /// The mail as it is written down (RFC 5322). The same, but for its date, whenever it is sent again.
    fn compose(&self, mail: &Mail) -> Result<(String, lettre::Message), SendError> {
        let impossible = |what: &str| SendError::Refused(what.to_owned());
        let to = ascii_domain(&mail.to).ok_or_else(|| impossible("its address is none"))?;
        let address: Address = to.parse().map_err(|_| impossible("its address is none"))?;
        if has_control(&mail.subject) || has_control(&to) {
            return Err(impossible("its subject or address is more than one line"));
        }
        let bodies = MultiPart::alternative()
            .boundary(format!("signet_{}", mail.id.as_uuid().simple()))
            .singlepart(SinglePart::plain(mail.text.clone()))
            .singlepart(SinglePart::html(mail.html.clone()));
        let message = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(mail.subject.clone())
            .date(self.clock.now().into())
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(AutoSubmitted)
            .multipart(bodies)
            .map_err(|_| impossible("it cannot be written down"))?;
        Ok((to, message))
    }

    /// One that waits and still answers, or a new one.
    async fn connection(&self) -> Result<Connection, SendError> {
        while let Some(mut idle) = self.take_idle() {
            if idle.since.elapsed() < IDLE && idle.connection.smtp.test_connected().await {
                return Ok(idle.connection);
            }
        }
        let smtp = self.server.open().await?;
        Ok(Connection { smtp, mails: 0 })
    }

    fn take_idle(&self) -> Option<Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Lets a connection wait for the next mail, unless it has had many or enough others wait.
    fn park(&self, mut connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.mails >= MAX_MAILS || idle.len() >= MAX_IDLE {
            drop(idle);
            tokio::spawn(async move { quit(&mut connection).await });
            return;
        }
        idle.push(Idle {
            connection,
            since: Instant::now(),
        });
        drop(idle);
        tokio::spawn(close_idle(Arc::downgrade(&self.idle)));
    }
}

/// After a while, takes leave of the connections that nobody needed.
async fn close_idle(idle: Weak<Mutex<Vec<Idle>>>) {
    tokio::time::sleep(IDLE).await;
    let Some(idle) = idle.upgrade() else { return };
    let done: Vec<Idle> = {
        let mut idle = idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, waiting) = idle.drain(..).partition(|idle| idle.since.elapsed() >= IDLE);
        *idle = waiting;
        done
    };
    for mut idle in done {
        quit(&mut idle.connection).await;
    }
}

async fn quit(connection: &mut Connection) {
    drop(tokio::time::timeout(SEND_PATIENCE, connection.smtp.quit()).await);
}

impl Mailer for Smtp {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
    ) -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>> {
        Box::pin(async move {
            match tokio::time::timeout(SEND_PATIENCE, self.deliver(mail)).await {
                Ok(sent) => sent,
                Err(_) => Err(SendError::Unavailable(OpenError::TooSlow.to_string())),
            }
        })
    }
}

/// What a mail asks of the server beyond ASCII (RFC 6531 §3.4, RFC 6152 §3). Who has the first has the second.
fn parameters(to: &str, mail: &[u8]) -> Vec<MailParameter> {
    let utf8 = (!to.is_ascii()).then_some(MailParameter::SmtpUtfEight);
    let eight_bit = (!mail.is_ascii()).then_some(MailParameter::Body(MailBodyParameter::EightBitMime));
    utf8.into_iter().chain(eight_bit).collect()
}

/// The rest of a mail that was begun. A connection where it fails is of no more use: it is between two commands.
async fn hand_over(
    smtp: &mut AsyncSmtpConnection,
    to: &[Address],
    mail: &[u8],
) -> Result<(), lettre::transport::smtp::Error> {
    for to in to {
        smtp.command(Rcpt::new(to.clone(), Vec::new())).await?;
    }
    smtp.command(Data).await?;
    smtp.message(mail).await.map(drop)
}

/// What the server said to a mail that it let begin.
fn of_mail(error: &lettre::transport::smtp::Error) -> SendError {
    let reason = server::reason(error);
    if !error.is_permanent() {
        SendError::Unavailable(reason)
    } else {
        match server::at_fault(error) {
            Fault::Sender => OpenError::Sender(reason).into(),
            Fault::Policy => SendError::Forbidden(reason),
            Fault::Mail => SendError::Refused(reason),
        }
    }
}

/// The address with its domain as the name system knows it (RFC 5891): only a local part needs SMTPUTF8.
fn ascii_domain(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    Some(format!("{local}@{domain}"))
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests;
