//! The development mailbox, as a page and as JSON.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};
use chrono::SecondsFormat;
use minijinja::{Environment, Value, context};
use serde::Serialize;

use super::{DevSite, demo_app};
use crate::mail::mailbox::Message;

#[derive(Serialize)]
struct Shown {
    at: String,
    to: String,
    subject: String,
    text: String,
}

impl From<Message> for Shown {
    fn from(message: Message) -> Self {
        Self {
            at: message.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            to: message.to,
            subject: message.subject,
            text: message.text,
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
        .map(
            |Shown {
                 at,
                 to,
                 subject,
                 text,
             }| context! { at, to, subject, text },
        )
        .collect();
    let page = templates
        .get_template("mailbox.html")
        .and_then(|template| template.render(context! { messages => messages }))
        .expect("our own template renders any messages");
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, demo_app::POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(page)
}

/// `GET /dev/mailbox.json`.
pub async fn json(site: web::Data<DevSite>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(shown(&site))
}

fn shown(site: &DevSite) -> Vec<Shown> {
    site.mailbox.messages().into_iter().map(Shown::from).collect()
}
