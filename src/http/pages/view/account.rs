//! The account with its sessions, and their end.

use chrono::{DateTime, SecondsFormat, Utc};
use minijinja::{Value, context};

use super::{ClientView, LinkView, Page, Text, hidden_fields};

/// The question before a logout. The form posts `csrf`, the hidden fields, and `logout`: `yes` or `no`.
pub struct LogoutPage {
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// The application that asks (OIDC RP-Initiated Logout §2).
    pub client: Option<ClientView>,
    /// Who is signed in.
    pub user_email: String,
    /// Carried along, such as the id of the stored request.
    pub hidden: Vec<(String, String)>,
}

impl Page for LogoutPage {
    const TEMPLATE: &'static str = "logout.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            client => self.client.as_ref(),
            user_email => &self.user_email,
            hidden => hidden_fields(&self.hidden),
        }
    }
}

/// After a logout that leads nowhere. Links to nothing: no `post_logout_redirect_uri` was proven.
pub struct LoggedOutPage {
    /// The application that asked for it, named only.
    pub client: Option<ClientView>,
}

impl Page for LoggedOutPage {
    const TEMPLATE: &'static str = "logged_out.html";

    fn context(&self) -> Value {
        context! { client => self.client.as_ref() }
    }
}

/// The account. Every form posts `csrf`; the one that logs out also `logout=yes`.
pub struct AccountPage {
    /// The value of every `csrf` field.
    pub csrf: String,
    /// Something that went well just before: "The session has ended."
    pub notice: Option<Text>,
    /// The user's name.
    pub name: String,
    /// The user's address.
    pub email: String,
    /// Whether the user has proven to own it.
    pub email_verified: bool,
    /// Where "Send a link" posts to, if the address is not proven and mail leaves.
    pub verify_action: Option<String>,
    /// What can be changed, each on its own page.
    pub settings: Vec<LinkView>,
    /// Their sessions, in the order in which they are shown.
    pub sessions: Vec<SessionView>,
    /// Where "End all other sessions" posts to; the button is there if any session is not the current one.
    pub revoke_others_action: String,
    /// Where "Sign out" posts to.
    pub logout_action: String,
}

/// One browser session.
#[derive(Clone)]
pub struct SessionView {
    /// The id, for the page's own labels.
    pub id: String,
    /// As [`device_name`](crate::domain::device_name::device_name) gives it.
    pub device: String,
    /// When it was last used.
    pub last_used: DateTime<Utc>,
    /// When it began.
    pub created: DateTime<Utc>,
    /// Whether it is the one that looks at the page, which has no button of its own.
    pub current: bool,
    /// The address that it began at.
    pub ip: Option<String>,
    /// Where its "End session" posts to.
    pub revoke_action: String,
}

impl Page for AccountPage {
    const TEMPLATE: &'static str = "account.html";

    fn context(&self) -> Value {
        context! {
            csrf => &self.csrf,
            notice => &self.notice,
            name => &self.name,
            email => &self.email,
            email_verified => &self.email_verified,
            verify_action => &self.verify_action,
            settings => self.settings.iter().map(Value::from).collect::<Value>(),
            sessions => self.sessions.iter().collect::<Value>(),
            others => self.sessions.iter().any(|session| !session.current),
            revoke_others_action => &self.revoke_others_action,
            logout_action => &self.logout_action,
        }
    }
}

impl From<&SessionView> for Value {
    fn from(session: &SessionView) -> Self {
        context! {
            id => &session.id,
            device => &session.device,
            last_used => moment(session.last_used),
            created => moment(session.created),
            current => &session.current,
            ip => &session.ip,
            revoke_action => &session.revoke_action,
        }
    }
}

/// A time for a `<time>` element. In UTC, and says so: the server does not know where the reader is.
pub(super) fn moment(at: DateTime<Utc>) -> Value {
    context! {
        datetime => at.to_rfc3339_opts(SecondsFormat::Secs, true),
        text => at.format("%-d %B %Y, %H:%M UTC").to_string(),
    }
}
