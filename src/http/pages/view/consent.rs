//! Consent: what an application asks for.

use minijinja::{Value, context};

use super::{ClientView, Page, Text};

/// Consent. The form posts `csrf` and `decision`, which is `allow` or `deny`.
pub struct ConsentPage {
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// Who asks.
    pub client: ClientView,
    /// Who is asked.
    pub user_email: String,
    /// What is asked for at this provider.
    pub scopes: Vec<ScopeView>,
    /// What is asked for elsewhere (RFC 8707).
    pub resources: Vec<ResourceView>,
    /// Where one signs in as another user.
    pub switch_url: Option<String>,
}

/// One scope, in words that complete "It will be able to …".
#[derive(Clone)]
pub struct ScopeView {
    /// "See your e-mail address".
    pub title: Text,
    /// A sentence more, if the title does not say it all.
    pub description: Option<Text>,
}

/// One API, and what may be done there.
#[derive(Clone)]
pub struct ResourceView {
    /// Its name.
    pub name: String,
    /// Empty: whatever the API lets its callers do.
    pub scopes: Vec<ScopeView>,
}

impl Page for ConsentPage {
    const TEMPLATE: &'static str = "consent.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            client => Value::from(&self.client),
            user_email => &self.user_email,
            scopes => scopes(&self.scopes),
            resources => self.resources.iter().map(|resource| context! {
                name => &resource.name,
                scopes => scopes(&resource.scopes),
            }).collect::<Value>(),
            switch_url => &self.switch_url,
        }
    }
}

fn scopes(scopes: &[ScopeView]) -> Value {
    scopes
        .iter()
        .map(|scope| context! { title => &scope.title, description => &scope.description })
        .collect()
}
