//! What a user changes: the password, name and picture, and what applications may have.

use chrono::{DateTime, Utc};
use minijinja::{Value, context};

use super::account::moment;
use super::{ClientView, LinkView, Page, PasswordAdvice, ScopeView, Text, hidden_fields};

/// Another password. The form posts `csrf`, the hidden fields and `password`; of who is logged in also
/// `current_password`, and `end_others` if the box is ticked.
pub struct NewPasswordPage {
    /// "Choose a new password".
    pub title: Text,
    /// A sentence about it.
    pub lead: Text,
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// Carried along, such as the token of a link.
    pub hidden: Vec<(String, String)>,
    /// What else is asked of who is logged in.
    pub current: Option<CurrentPassword>,
    /// What is wrong with the new one.
    pub error: Option<Text>,
    /// How to find a better one, beside `error`.
    pub advice: Option<PasswordAdvice>,
    /// What the button says.
    pub button: Text,
    /// Where else to go.
    pub links: Vec<LinkView>,
}

/// What is asked of who is logged in.
pub struct CurrentPassword {
    /// Whose password it is, for password managers.
    pub email: String,
    /// What is wrong with the present password.
    pub error: Option<Text>,
    /// Whether the box is ticked that ends all other sessions.
    pub end_others: bool,
}

impl Page for NewPasswordPage {
    const TEMPLATE: &'static str = "new_password.html";

    fn context(&self) -> Value {
        let current_error = self.current.as_ref().and_then(|current| current.error.as_ref());
        context! {
            title => &self.title,
            lead => &self.lead,
            action => &self.action,
            csrf => &self.csrf,
            hidden => hidden_fields(&self.hidden),
            current => self.current.as_ref().map(|current| context! {
                email => &current.email,
                error => &current.error,
                end_others => current.end_others,
            }),
            wrong => self.error.is_some() || current_error.is_some(),
            error => &self.error,
            advice => self.advice.as_ref().map(Value::from),
            button => &self.button,
            links => self.links.iter().map(Value::from).collect::<Value>(),
        }
    }
}

/// Name and picture. The form posts `csrf`, `name` and `picture`.
pub struct ProfilePage {
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// What is stored, or was typed.
    pub name: String,
    /// What is stored, or was typed.
    pub picture: String,
    /// What is wrong with the name.
    pub name_error: Option<Text>,
    /// What is wrong with the picture's address.
    pub picture_error: Option<Text>,
    /// Where else to go.
    pub links: Vec<LinkView>,
}

impl Page for ProfilePage {
    const TEMPLATE: &'static str = "profile.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            name => &self.name,
            picture => &self.picture,
            name_error => &self.name_error,
            picture_error => &self.picture_error,
            links => self.links.iter().map(Value::from).collect::<Value>(),
        }
    }
}

/// What applications may have. Every form posts `csrf` and `client_id`.
pub struct ApplicationsPage {
    /// Where "Withdraw" posts to.
    pub action: String,
    /// The value of every `csrf` field.
    pub csrf: String,
    /// Something that went well just before.
    pub notice: Option<Text>,
    /// The applications, in the order in which they are shown.
    pub applications: Vec<ApplicationView>,
    /// Where else to go.
    pub links: Vec<LinkView>,
}

/// An application, and what it may have.
pub struct ApplicationView {
    /// The application; its name is its id where it is gone.
    pub client: ClientView,
    /// Its id.
    pub client_id: String,
    /// When the user agreed.
    pub since: DateTime<Utc>,
    /// What it may have.
    pub scopes: Vec<ScopeView>,
    /// The APIs where it may act for the user.
    pub resources: Vec<String>,
}

impl Page for ApplicationsPage {
    const TEMPLATE: &'static str = "applications.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            notice => &self.notice,
            applications => self.applications.iter().map(|application| context! {
                client => Value::from(&application.client),
                client_id => &application.client_id,
                since => moment(application.since),
                scopes => application.scopes.iter().map(|scope| &scope.title).collect::<Value>(),
                resources => application.resources.iter().collect::<Value>(),
            }).collect::<Value>(),
            links => self.links.iter().map(Value::from).collect::<Value>(),
        }
    }
}
