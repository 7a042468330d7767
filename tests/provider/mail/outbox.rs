//! The outbox: nothing in it is lost, whatever happens to the server or to us, and nothing is sent twice on purpose.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use signet::clock::Clock;
use signet::domain::email::EmailAddress;
use signet::domain::mail::{MailKind, MailParams};
use signet::flows::mails::{self, To};
use signet::jobs::send_mail::Postman;
use signet::jobs::{JobSettings, Jobs};
use signet::outbound::{Client, Policy};
use signet::storage::outgoing_mails;

use super::{app_with, ask, ask_anyone, failure, insert, send_to};
use crate::support::app::TestApp;
use crate::support::programs::free_port;
use crate::support::smtp::{SmtpServer, header};

fn message_id(mail: &serde_json::Value) -> String {
    let data = mail["data"].as_str().unwrap_or_else(|| panic!("no mail: {mail}"));
    header(data, "Message-ID").expect("every mail has one")
}

#[tokio::test]
async fn a_server_that_is_down_for_a_minute_costs_no_mail() {
    let port = free_port();
    let app = app_with(&format!("smtp://127.0.0.1:{port}")).await;
    for number in 0..20 {
        ask_anyone(&app, &format!("ada{number}@example.org")).await;
    }
    for _ in 0..60 {
        app.deliver_mail().await;
        app.advance(TimeDelta::seconds(1));
    }
    assert_eq!(app.count("outgoing_mails").await, 20);
    let server = SmtpServer::with(&[("PORT", &port.to_string())]);
    // No pause is as long as that yet.
    app.advance(TimeDelta::minutes(2));
    app.deliver_mail().await;
    assert_eq!(app.count("outgoing_mails").await, 0);
    let ids: HashSet<String> = (0..20).map(|_| message_id(&server.next())).collect();
    assert_eq!((ids.len(), server.rest().len()), (20, 0));
}

#[tokio::test]
async fn two_nodes_send_each_mail_once() {
    let server = SmtpServer::start();
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let one = app_with(&url).await;
    let mut other = one.second_node().await;
    send_to(&mut other, &url);
    for number in 0..60 {
        ask_anyone(&one, &format!("ada{number}@example.org")).await;
    }
    tokio::join!(one.deliver_mail(), other.deliver_mail());
    assert_eq!(one.count("outgoing_mails").await, 0);
    let ids: HashSet<String> = (0..60).map(|_| message_id(&server.next())).collect();
    assert_eq!((ids.len(), server.rest().len()), (60, 0));
}

#[tokio::test]
async fn a_mail_that_is_withdrawn_while_a_node_has_it_brings_no_link() {
    let app = TestApp::start().await;
    let params = MailParams::default();
    ask(&app, MailKind::SignInCode, "ada@example.org", None, &params).await;
    let now = app.clock.now();
    let until = now + TimeDelta::minutes(1);
    let claimed = outgoing_mails::claim(app.db(), now, until, 1)
        .await
        .expect("the database");
    let letter = async || {
        mails::letter(&app.provider, &claimed[0], now)
            .await
            .expect("the database")
    };
    assert!(letter().await.is_some());
    app.sql("DELETE FROM mailed_links").await;
    app.sql("DELETE FROM outgoing_mails").await;
    assert!(letter().await.is_none());
    assert_eq!(app.count("mailed_links").await, 0);
}

#[tokio::test]
async fn a_mail_that_is_put_off_is_tried_as_long_as_it_is_of_use_and_then_a_dead_letter() {
    let mut server = SmtpServer::start();
    server.order("answer 451 4.7.1 later, ADDRESS");
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    let asked = app.clock.now();
    let params = MailParams::default();
    ask(&app, MailKind::SignInCode, "ada@example.org", None, &params).await;
    loop {
        app.deliver_mail().await;
        let (text, dead) = failure(&app).await;
        assert_eq!(
            text,
            "the mail cannot be handed over at present: it answers 451 4.7.1"
        );
        if dead {
            break;
        }
        app.advance(TimeDelta::minutes(1));
    }
    let tried = app.clock.now() - asked;
    assert!(
        tried > TimeDelta::minutes(45) && tried < TimeDelta::minutes(75),
        "{tried}"
    );
    assert_eq!(app.count("outgoing_mails WHERE attempts > 10").await, 1);
}

#[tokio::test]
async fn a_mail_that_hangs_keeps_no_other_waiting() {
    let mut server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    let mut postman = Postman::new(app.provider.clone(), app.post.clone());
    server.order("hang");
    ask_anyone(&app, "ada@example.org").await;
    assert_eq!(postman.round().await.expect("claimed"), 1);
    assert_eq!(server.mail().await["hangs"], "ada@example.org");
    server.order("take");
    ask_anyone(&app, "eve@example.org").await;
    assert_eq!(postman.round().await.expect("claimed"), 1);
    postman.one_ended().await;
    assert_eq!(server.mail().await["to"][0], "eve@example.org");
    assert_eq!(app.count("outgoing_mails").await, 1);
}

#[tokio::test]
async fn who_sends_is_woken_by_the_commit_and_not_before() {
    let app = TestApp::start().await;
    let woken = async || {
        let notified = app.provider.mail_wanted.notified();
        tokio::time::timeout(Duration::ZERO, notified).await.is_ok()
    };
    let ada = EmailAddress::parse("ada@example.org").expect("an address");
    let (to, params) = (
        To {
            email: &ada,
            user: None,
        },
        MailParams::default(),
    );
    let (kind, now) = (MailKind::AccountDeleted, app.clock.now());
    let tx = app.db().begin().await.expect("begun");
    mails::ask(&app.provider, &tx, kind, to, &params, now)
        .await
        .expect("written");
    assert!(!woken().await, "nobody else sees it yet");
    tx.commit().await.expect("committed");
    assert!(woken().await);

    let tx = app.db().begin().await.expect("begun");
    mails::ask(&app.provider, &tx, kind, to, &params, now)
        .await
        .expect("written");
    drop(tx);
    assert!(!woken().await, "there is nothing to send");

    mails::ask(&app.provider, app.db(), kind, to, &params, now)
        .await
        .expect("written");
    assert!(woken().await);
}

fn settings(app: &TestApp) -> JobSettings {
    JobSettings {
        poll_interval: Duration::from_secs(1),
        clock_skew: TimeDelta::seconds(60),
        outbound: Client::new(Policy::STRANGERS),
        post: app.post.clone(),
    }
}

#[tokio::test]
async fn a_job_that_stops_ends_what_it_began() {
    let mut server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    let jobs = Jobs::start(&app.provider, &settings(&app));
    server.order("slow");
    ask_anyone(&app, "eve@example.org").await;
    server.mail().await;
    // The server has it, and does not say so yet.
    jobs.stop().await;
    assert_eq!(app.count("outgoing_mails").await, 0);
}

#[tokio::test]
async fn without_a_mail_server_nothing_waits_for_one() {
    let mut app = TestApp::start().await;
    app.post.mailer = None;
    ask_anyone(&app, "ada@example.org").await;
    app.deliver_mail().await;
    assert_eq!(
        failure(&app).await,
        ("no mail server is configured".to_owned(), true)
    );
}

#[tokio::test]
async fn a_mail_to_nobody_goes_away_without_a_word() {
    let app = TestApp::start().await;
    let params = MailParams::default();
    insert(
        app.db(),
        MailKind::ResetPassword,
        "nobody@example.org",
        None,
        &params,
        app.clock.now(),
    )
    .await;
    assert_eq!(app.deliver_mail().await, []);
    assert_eq!(app.count("outgoing_mails").await, 0);
}
