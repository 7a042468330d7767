//! Login and signup.

use minijinja::{Value, context};

use super::{ClientView, LinkView, Page, ProviderView, Text};

/// Login. The first form posts `csrf`, `email` and `password`.
pub struct LoginPage {
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field, for both forms.
    pub csrf: String,
    /// The application that waits for the user; `None` where nobody sent them here.
    pub client: Option<ClientView>,
    /// What was typed before, or hinted at.
    pub email: String,
    /// Something that went well just before: "Your password was changed."
    pub notice: Option<Text>,
    /// What is wrong. For a wrong pair use `password` alone: it says nothing about the address.
    pub errors: FormErrors,
    /// Where one goes without a password.
    pub links: Vec<LinkView>,
    /// The other providers that one can come by, a form each.
    pub providers: Vec<ProviderView>,
    /// Where one signs up; `None` where signup is closed.
    pub signup_url: Option<String>,
    /// The user of this browser's session, if going on as that user is allowed.
    pub continue_as: Option<ContinueAs>,
    /// Why a user who is signed in must do it again.
    pub fresh_reason: Option<FreshReason>,
}

/// A second form below the first, which posts `csrf` alone.
pub struct ContinueAs {
    /// Who is signed in.
    pub email: String,
    /// Where the form goes.
    pub action: String,
}

/// Why a session is not enough (OIDC Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreshReason {
    /// The client sent `prompt=login`.
    PromptLogin,
    /// The session is older than the client's `max_age`.
    MaxAge,
}

/// What is wrong with a form, each beside its field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormErrors {
    /// About the form as a whole, above its fields.
    pub form: Option<Text>,
    /// About `name`.
    pub name: Option<Text>,
    /// About `email`.
    pub email: Option<Text>,
    /// About `password`.
    pub password: Option<Text>,
}

impl FormErrors {
    /// Whether anything is wrong.
    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl From<&FormErrors> for Value {
    fn from(errors: &FormErrors) -> Self {
        context! {
            any => errors.any(),
            form => &errors.form,
            name => &errors.name,
            email => &errors.email,
            password => &errors.password,
        }
    }
}

impl Page for LoginPage {
    const TEMPLATE: &'static str = "login.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            client => self.client.as_ref(),
            email => &self.email,
            notice => &self.notice,
            errors => &self.errors,
            links => self.links.iter().map(Value::from).collect::<Value>(),
            providers => self.providers.iter().map(Value::from).collect::<Value>(),
            signup_url => &self.signup_url,
            continue_as => self.continue_as.as_ref().map(|other| context! {
                email => &other.email,
                action => &other.action,
            }),
            fresh_reason => self.fresh_reason.map(|reason| match reason {
                FreshReason::PromptLogin => "prompt",
                FreshReason::MaxAge => "max_age",
            }),
        }
    }
}

/// Signup. The form posts `csrf`, `name`, `email` and `password`.
pub struct SignupPage {
    /// Where the form goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// The application that waits for the user.
    pub client: Option<ClientView>,
    /// What was typed before.
    pub name: String,
    /// What was typed before.
    pub email: String,
    /// What is wrong.
    pub errors: FormErrors,
    /// How to find a better password, beside `errors.password`.
    pub advice: Option<PasswordAdvice>,
    /// The other providers that one can come by, a form each.
    pub providers: Vec<ProviderView>,
    /// Where one signs in instead.
    pub login_url: Option<String>,
}

/// What zxcvbn says about a password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PasswordAdvice {
    /// What is wrong with it.
    pub warning: Option<Text>,
    /// What would help.
    pub suggestions: Vec<Text>,
}

impl From<&PasswordAdvice> for Value {
    fn from(advice: &PasswordAdvice) -> Self {
        context! {
            warning => &advice.warning,
            suggestions => advice.suggestions.iter().collect::<Value>(),
        }
    }
}

impl Page for SignupPage {
    const TEMPLATE: &'static str = "signup.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            csrf => &self.csrf,
            client => self.client.as_ref(),
            name => &self.name,
            email => &self.email,
            errors => &self.errors,
            advice => self.advice.as_ref().map(Value::from),
            providers => self.providers.iter().map(Value::from).collect::<Value>(),
            login_url => &self.login_url,
        }
    }
}
