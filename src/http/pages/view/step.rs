//! A step of what goes by mail or must be confirmed: a question with its buttons, an address to type, or what has come
//! of it. All of them look the same, so that nobody wonders where they are.

use chrono::{DateTime, Utc};
use minijinja::{Value, context};

use super::account::moment;
use super::{ClientView, Page, Text, hidden_fields};

/// One step.
pub struct StepPage {
    /// What it is about, in a few words.
    pub title: Text,
    /// A sentence about it.
    pub lead: Text,
    /// The application that waits for the user, named only.
    pub client: Option<ClientView>,
    /// Something that went well just before.
    pub notice: Option<Text>,
    /// What it is about, line by line.
    pub facts: Vec<FactView>,
    /// What the user can do here.
    pub form: Option<StepForm>,
    /// Where else to go.
    pub links: Vec<LinkView>,
}

/// One line of what a step is about.
pub struct FactView {
    /// "E-mail address".
    pub label: Text,
    /// Text of anybody's, or a time.
    pub value: FactValue,
}

/// What stands in a line.
pub enum FactValue {
    /// Text.
    Text(String),
    /// A time.
    At(DateTime<Utc>),
}

impl FactView {
    /// A line with text of anybody's.
    pub fn text(label: &'static str, value: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            value: FactValue::Text(value.into()),
        }
    }

    /// A line with a time.
    pub fn at(label: &'static str, at: DateTime<Utc>) -> Self {
        Self {
            label: label.into(),
            value: FactValue::At(at),
        }
    }
}

/// The form of a step. It posts `csrf`, the hidden fields, `email` and `password` where they are asked for, and what
/// the pressed button is called.
#[derive(Default)]
pub struct StepForm {
    /// Where it goes.
    pub action: String,
    /// The value of the `csrf` field.
    pub csrf: String,
    /// Carried along, such as the token of a link.
    pub hidden: Vec<(String, String)>,
    /// What is wrong with it as a whole.
    pub alert: Option<Text>,
    /// An address is asked for.
    pub email: Option<EmailField>,
    /// The present password is asked for.
    pub password: Option<PasswordField>,
    /// What can be done, the likeliest first.
    pub buttons: Vec<ButtonView>,
}

/// A field for an address.
pub struct EmailField {
    /// "E-mail address".
    pub label: Text,
    /// What was typed before, or is likely.
    pub value: String,
    /// `username` where the address signs in, else `email`.
    pub autocomplete: &'static str,
    /// What is wrong with it.
    pub error: Option<Text>,
}

/// A field for the present password.
#[derive(Default)]
pub struct PasswordField {
    /// What is wrong with it.
    pub error: Option<Text>,
}

/// A button.
pub struct ButtonView {
    /// What it says.
    pub text: Text,
    /// The value of the field `answer`, where the form has several buttons.
    pub answer: Option<&'static str>,
    /// How it looks.
    pub kind: ButtonKind,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ButtonKind {
    /// What most people want.
    Main,
    /// What some want.
    Quiet,
    /// What cannot be undone.
    Danger,
}

impl ButtonView {
    /// The button of a form that has no other.
    pub fn only(text: impl Into<Text>) -> Self {
        Self {
            text: text.into(),
            answer: None,
            kind: ButtonKind::Main,
        }
    }

    /// One of several.
    pub fn answer(text: &'static str, answer: &'static str, kind: ButtonKind) -> Self {
        Self {
            text: text.into(),
            answer: Some(answer),
            kind,
        }
    }
}

/// A link to another page of ours.
#[derive(Clone)]
pub struct LinkView {
    /// What it says.
    pub text: Text,
    /// Where it leads.
    pub url: String,
}

impl LinkView {
    /// A link.
    pub fn new(text: &'static str, url: String) -> Self {
        Self {
            text: text.into(),
            url,
        }
    }
}

impl From<&LinkView> for Value {
    fn from(link: &LinkView) -> Self {
        context! { text => &link.text, url => &link.url }
    }
}

impl Page for StepPage {
    const TEMPLATE: &'static str = "step.html";

    fn context(&self) -> Value {
        context! {
            title => &self.title,
            lead => &self.lead,
            client => self.client.as_ref(),
            notice => &self.notice,
            facts => self.facts.iter().map(Value::from).collect::<Value>(),
            form => self.form.as_ref().map(Value::from),
            links => self.links.iter().map(Value::from).collect::<Value>(),
        }
    }
}

impl From<&FactView> for Value {
    fn from(fact: &FactView) -> Self {
        let (text, at) = match &fact.value {
            FactValue::Text(text) => (Some(text), None),
            FactValue::At(at) => (None, Some(moment(*at))),
        };
        context! { label => &fact.label, text, at }
    }
}

impl From<&StepForm> for Value {
    fn from(form: &StepForm) -> Self {
        let email_error = form.email.as_ref().and_then(|field| field.error.as_ref());
        let password_error = form.password.as_ref().and_then(|field| field.error.as_ref());
        context! {
            action => &form.action,
            csrf => &form.csrf,
            hidden => hidden_fields(&form.hidden),
            alert => &form.alert,
            wrong => form.alert.is_some() || email_error.is_some() || password_error.is_some(),
            email => form.email.as_ref().map(|field| context! {
                label => &field.label,
                value => &field.value,
                autocomplete => field.autocomplete,
                error => &field.error,
            }),
            password => form.password.as_ref().map(|field| context! { error => &field.error }),
            buttons => form.buttons.iter().map(|button| context! {
                text => &button.text,
                answer => button.answer,
                kind => match button.kind {
                    ButtonKind::Main => "",
                    ButtonKind::Quiet => "quiet",
                    ButtonKind::Danger => "danger",
                },
            }).collect::<Value>(),
        }
    }
}
