//! A server that takes nothing that is from `mail.from`, or has a policy against it: no mail is at fault, so none is lost,
//! and the log says so once.

use std::time::Duration;

use chrono::TimeDelta;

use super::{app_with, ask_anyone, failure, folder, serve, sign_up};
use crate::support::database;
use crate::support::node::Node;
use crate::support::smtp::SmtpServer;

/// Signs three users up, and returns when the mail to each was refused and waits.
async fn three_wait(node: &Node, sql: &tokio_postgres::Client) {
    for number in 0..3 {
        sign_up(node, &format!("user{number}@example.org")).await;
    }
    let refused = async {
        let count = "SELECT count(*) FROM outgoing_mails WHERE failure IS NOT NULL AND failed_at IS NULL";
        while sql.query_one(count, &[]).await.expect("counted").get::<_, i64>(0) < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused)
        .await
        .expect("each was tried, and waits");
}

/// That an error was logged once, with these words, and nothing of what the server or a user said.
fn told_once(log: &str, begins: &str, words: &[&str]) {
    let told: Vec<&str> = log.lines().filter(|line| line.contains(begins)).collect();
    assert_eq!(told.len(), 1, "{log}");
    for word in words {
        assert!(
            told[0].to_uppercase().contains(&word.to_uppercase()),
            "{word}: {told:?}"
        );
    }
    assert!(
        !log.contains("@example.org") && !log.contains("is not yours"),
        "{log}"
    );
}

/// That the mail to the three who signed up arrives now.
async fn three_arrive(server: &SmtpServer) {
    let mut arrived = Vec::new();
    for _ in 0..3 {
        let mail = server.mail().await;
        arrived.push(mail["to"][0].as_str().expect("an address").to_owned());
    }
    arrived.sort();
    assert_eq!(
        arrived,
        ["user0@example.org", "user1@example.org", "user2@example.org"]
    );
}

#[tokio::test]
async fn mail_waits_for_another_sender_and_the_log_says_so_once() {
    let (mut server, database) = (SmtpServer::start(), database().await);
    server.order("sender 553 5.7.1 <id@signet.test> is not yours");
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let node = serve(&folder, &database).await;
    three_wait(&node, &database.client().await).await;
    let words = ["ERROR", "mail.from", "553 5.7.1", "signet doctor"];
    told_once(&node.log(), "no mail leaves", &words);
    server.order("take");
    three_arrive(&server).await;
}

#[tokio::test]
async fn mail_waits_for_another_policy_of_the_server_and_the_log_says_so_once() {
    let (mut server, database) = (SmtpServer::start(), database().await);
    server.order("answer 554 5.7.1 <ADDRESS>: id@signet.test is not yours");
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let node = serve(&folder, &database).await;
    three_wait(&node, &database.client().await).await;
    let words = ["ERROR", "mail.from", "policy", "554 5.7.1"];
    told_once(&node.log(), "mail waits", &words);
    assert!(!node.log().contains("no mail leaves"), "{}", node.log());
    server.order("take");
    three_arrive(&server).await;
}

#[tokio::test]
async fn a_policy_keeps_mail_waiting_and_a_recipients_fault_buries_it() {
    let mut server = SmtpServer::start();
    for (order, dead) in [
        ("answer 554 5.7.1 relay access denied", false),
        ("answer 530 5.7.0 authentication required", false),
        ("mail 550 5.7.26 not authenticated", false),
        ("answer 550 5.1.1 nobody", true),
        ("answer 550 5.1.2 no such domain", true),
        ("answer 550 5.2.1 disabled", true),
        ("answer 550 5.7.18 the domain has another owner", true),
        ("answer 554 no", true),
        ("mail 552 5.3.4 too big", true),
    ] {
        let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
        ask_anyone(&app, "ada@example.org").await;
        server.order(order);
        app.deliver_mail().await;
        let (failure, buried) = failure(&app).await;
        assert_eq!(buried, dead, "{order}: {failure}");
        let why = if dead {
            "the mail is refused"
        } else {
            "the mail server's policy is against the mail"
        };
        assert!(failure.starts_with(why), "{order}: {failure}");
        server.order("take");
        app.advance(TimeDelta::minutes(1));
        app.deliver_mail().await;
        assert_eq!(app.count("outgoing_mails").await, i64::from(dead), "{order}");
        if !dead {
            assert_eq!(server.mail().await["to"][0], "ada@example.org", "{order}");
        }
    }
}

#[tokio::test]
async fn a_server_may_refuse_the_sender_when_it_hears_the_recipient() {
    let mut server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    ask_anyone(&app, "ada@example.org").await;
    for (answer, enhanced) in [
        ("550 5.1.8 no such sender", "550 5.1.8"),
        ("553 5.1.7 <x>", "553 5.1.7"),
    ] {
        server.order(&format!("answer {answer}"));
        app.deliver_mail().await;
        let (failure, dead) = failure(&app).await;
        assert!(
            !dead && failure.contains("refuses the sender, mail.from"),
            "{failure}"
        );
        assert!(failure.ends_with(enhanced), "{failure}");
        app.advance(TimeDelta::minutes(1));
    }
    server.order("take");
    app.deliver_mail().await;
    assert_eq!(server.mail().await["to"][0], "ada@example.org");
}
