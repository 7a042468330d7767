//! What a template may name. A letter has what it cannot do without, and what may be missing (`none`); it does not know
//! of the rest, so that a template that asks for a code where there is none is found out before it is sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use minijinja::Value;

use super::language::Language;
use super::{Brand, LetterContext, clean, colours};
use crate::domain::email::EmailAddress;
use crate::domain::mail::Letter;

/// What every template has. `label` stands beside a button, `subject` in HTML.
const COMMON: &[&str] = &[
    "brand",
    "site",
    "language",
    "accent",
    "on_accent",
    "subject",
    "label",
    "name",
    "new_email",
    "at",
    "device",
    "reset_link",
    "purpose",
    "minutes",
];

/// The most characters of a name or a device that are shown.
const MAX_WORDS: usize = 60;

/// The names and values of one letter.
pub(super) type Variables = BTreeMap<&'static str, Value>;

/// What `letter` has beyond the common.
const fn needed(letter: Letter) -> &'static [&'static str] {
    match letter {
        Letter::VerifyEmail
        | Letter::ResetPassword
        | Letter::ConfirmEmailChange
        | Letter::VerifyNewEmail
        | Letter::EmailChanged
        | Letter::DeleteAccount
        | Letter::SignIn => &["link", "duration"],
        Letter::AlreadyRegistered => &["link"],
        Letter::Code => &["code", "duration"],
        Letter::PasswordChanged | Letter::AccountDeleted => &[],
    }
}

/// The names that a template of `letter` may use; without one, a template that all share.
pub(super) fn names(letter: Option<Letter>) -> Vec<&'static str> {
    let needed = letter.map_or(&["link", "code", "duration"][..], needed);
    needed.iter().chain(COMMON).copied().collect()
}

/// What `letter` says to its reader.
pub(super) fn of(brand: &Brand, letter: Letter, language: Language, context: &LetterContext) -> Variables {
    let words = |text: &Option<String>| text.as_deref().and_then(|text| clean::words(text, MAX_WORDS));
    let new_email = context.new_email.as_deref().and_then(shown_address);
    let device = words(&context.device).map(|device| language.device(&device));
    let mut variables = Variables::from([
        ("brand", Value::from(clean::line(&brand.name, MAX_WORDS))),
        ("site", Value::from(brand.site.clone())),
        ("language", Value::from(language.tag())),
        ("accent", Value::from(colours::hex(brand.accent))),
        ("on_accent", Value::from(colours::hex(colours::on(brand.accent)))),
        ("name", optional(words(&context.name))),
        ("new_email", optional(new_email)),
        ("at", optional(context.at.map(|at| language.moment(at)))),
        ("device", optional(device)),
        ("reset_link", optional(context.reset_link.clone())),
        ("purpose", optional(context.purpose.clone())),
        ("minutes", context.minutes.map_or(Value::from(()), Value::from)),
    ]);
    for name in needed(letter) {
        let value = match *name {
            "link" => context.link.clone(),
            "code" => context.code.clone(),
            _ => context.minutes.map(|minutes| language.duration(minutes)),
        };
        // What is missing stays unknown, and the template fails on it.
        if let Some(value) = value {
            variables.insert(name, Value::from(value));
        }
    }
    variables
}

fn optional(text: Option<String>) -> Value {
    text.map_or(Value::from(()), Value::from)
}

/// An address as it may be shown: one that an account can have, and nothing in it unseen.
fn shown_address(text: &str) -> Option<String> {
    let address = EmailAddress::parse(text).ok()?;
    Some(address.as_str().to_owned()).filter(|address| clean::line(address, usize::MAX) == *address)
}

/// A letter with everything, or with nothing but what it needs, to try templates on.
pub(super) fn sample(letter: Letter, everything: bool) -> LetterContext {
    let needs = |name| needed(letter).contains(&name);
    let some = |text: &str, there: bool| there.then(|| text.to_owned());
    LetterContext {
        name: some("Ada Lovelace", everything),
        link: some("https://id.example/sample?token=sample", needs("link")),
        code: some("123456", needs("code")),
        new_email: some("ada@example.org", everything),
        at: everything.then_some(DateTime::<Utc>::UNIX_EPOCH),
        device: some("Firefox on Windows", everything),
        minutes: needs("duration").then_some(30),
        reset_link: some("https://id.example/forgot-password", everything),
        purpose: some("sign_in_code", everything && letter == Letter::Code),
    }
}
