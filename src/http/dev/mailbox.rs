//! The development mailbox, as a page and as JSON. A mail is as harmless there as in a mail program: its text is shown
//! with its links, its HTML alone in a sandbox, without scripts and without anything from elsewhere.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};
use chrono::SecondsFormat;
use minijinja::{Environment, Value, context};
use serde::Serialize;
use uuid::Uuid;

use super::DevSite;
use crate::domain::ids::MailId;
use crate::mail::mailbox::Message;

/// The page shows mails in frames, and is itself in none.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; frame-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";
/// A mail has the styles that stand in it, and nothing else. Its links open outside of the sandbox.
const MAIL_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

#[derive(Serialize)]
struct Shown {
    id: MailId,
    at: String,
    to: String,
    subject: String,
    text: String,
    html: String,
}

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        Self {
            id: message.id,
            at: message.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            to: message.to,
            subject: message.subject,
            text: message.text,
            html: message.html,
        }
    }
}

/// `GET /dev/mailbox`.
pub async fn page(site: web::Data<DevSite>) -> HttpResponse {
    let mut templates = Environment::new();
    templates
        .add_template("mailbox.html", include_str!("assets/mailbox.html"))
        .expect("our own template parses");
    let messages: Vec<Value> = shown(&site)
        .into_iter()
        .map(|message| {
            let parts: Vec<Value> = parts(&message.text)
                .map(|(text, link)| context! { text => text, link => link })
                .collect();
            context! {
                id => message.id.to_string(), at => message.at, to => message.to, subject => message.subject,
                parts => parts,
            }
        })
        .collect();
    let page = templates
        .get_template("mailbox.html")
        .and_then(|template| template.render(context! { messages => messages }))
        .expect("our own template renders any messages");
    answer(PAGE_POLICY, page)
}

/// `GET /dev/mailbox/{id}`: the HTML of one mail.
pub async fn html(site: web::Data<DevSite>, id: web::Path<Uuid>) -> HttpResponse {
    match site.mailbox.message(MailId::from(id.into_inner())) {
        Some(message) => answer(MAIL_POLICY, in_new_tabs(&message.html)),
        None => HttpResponse::NotFound().finish(),
    }
}

/// `GET /dev/mailbox.json`.
pub async fn json(site: web::Data<DevSite>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(shown(&site))
}

fn answer(policy: &'static str, page: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page)
}

fn shown(site: &DevSite) -> Vec<Shown> {
    site.mailbox.messages().into_iter().map(Shown::from).collect()
}

/// What a mail program does with links: they open elsewhere.
fn in_new_tabs(html: &str) -> String {
    html.replace(
        "<a href=",
        "<a target=\"_blank\" rel=\"noopener noreferrer\" href=",
    )
}

/// The pieces of a text, each with whether it is a link.
fn parts(text: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let start = ["https://", "http://"]
            .iter()
            .filter_map(|scheme| rest.find(scheme))
            .min();
        let (end, link) = match start {
            Some(0) => (rest.find(char::is_whitespace).unwrap_or(rest.len()), true),
            Some(start) => (start, false),
            None => (rest.len(), false),
        };
        let (part, after) = rest.split_at(end);
        rest = after;
        Some((part, link))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_falls_into_links_and_the_rest() {
        let text = "Open\nhttp://localhost:8080/x?token=y\nor https://id.example";
        let found: Vec<(&str, bool)> = parts(text).collect();
        let expected = [
            ("Open\n", false),
            ("http://localhost:8080/x?token=y", true),
            ("\nor ", false),
            ("https://id.example", true),
        ];
        assert_eq!(found, expected);
        assert_eq!(parts("").count(), 0);
    }
}
