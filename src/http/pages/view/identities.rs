//! Other providers: the buttons that lead to them, and the identities of a user there.

use chrono::{DateTime, Utc};
use minijinja::{Value, context};

use super::account::moment;
use super::{LinkView, Page, StepPage, Text};

/// A button that leads to another provider.
pub struct ProviderView {
    /// What people know it by.
    pub label: String,
    /// The address of a picture.
    pub icon: Option<String>,
    /// Where the form goes.
    pub action: String,
}

impl From<&ProviderView> for Value {
    fn from(provider: &ProviderView) -> Self {
        context! { label => &provider.label, icon => &provider.icon, action => &provider.action }
    }
}

/// A step that going by one of the user's providers does as well.
pub struct AgainPage {
    /// The step.
    pub step: StepPage,
    /// The providers, a form each.
    pub providers: Vec<ProviderView>,
    /// The value of their `csrf` field.
    pub csrf: String,
}

impl Page for AgainPage {
    const TEMPLATE: &'static str = "again.html";

    fn context(&self) -> Value {
        context! {
            providers => self.providers.iter().map(Value::from).collect::<Value>(),
            providers_csrf => &self.csrf,
            ..self.step.context()
        }
    }
}

/// The identities of a user. Every form posts `csrf` alone.
pub struct IdentitiesPage {
    /// The value of every `csrf` field.
    pub csrf: String,
    /// Something that went well just before.
    pub notice: Option<Text>,
    /// Something that did not.
    pub alert: Option<Text>,
    /// The identities, in the order in which they are shown.
    pub identities: Vec<IdentityView>,
    /// The providers that can be added.
    pub add: Vec<ProviderView>,
    /// Whether a password opens the account too.
    pub has_password: bool,
    /// Where one is set or changed.
    pub password_url: String,
    /// Where else to go.
    pub links: Vec<LinkView>,
}

/// An identity.
pub struct IdentityView {
    /// What people know the provider by.
    pub label: String,
    /// The address of its picture.
    pub icon: Option<String>,
    /// Who the user is there.
    pub who: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When the user last came by it.
    pub last_used: Option<DateTime<Utc>>,
    /// Where "Disconnect" posts to; `None` for the last way in.
    pub remove_action: Option<String>,
    /// Where "Use name and picture" posts to, if the provider told any.
    pub profile_action: Option<String>,
}

impl Page for IdentitiesPage {
    const TEMPLATE: &'static str = "identities.html";

    fn context(&self) -> Value {
        context! {
            csrf => &self.csrf,
            notice => &self.notice,
            alert => &self.alert,
            identities => self.identities.iter().map(|identity| context! {
                label => &identity.label,
                icon => &identity.icon,
                who => &identity.who,
                since => moment(identity.since),
                last_used => identity.last_used.map(moment),
                remove_action => &identity.remove_action,
                profile_action => &identity.profile_action,
            }).collect::<Value>(),
            add => self.add.iter().map(Value::from).collect::<Value>(),
            has_password => self.has_password,
            password_url => &self.password_url,
            links => self.links.iter().map(Value::from).collect::<Value>(),
        }
    }
}
