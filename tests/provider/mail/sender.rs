//! A server that takes nothing that is from `mail.from`: no mail is at fault, so none is lost, and the log says so once.

use std::time::Duration;

use chrono::TimeDelta;

use super::{app_with, ask_anyone, failure, folder, serve, sign_up};
use crate::support::database;
use crate::support::smtp::SmtpServer;

#[tokio::test]
async fn mail_waits_for_another_sender_and_the_log_says_so_once() {
    let (mut server, database) = (SmtpServer::start(), database().await);
    server.order("sender 553 5.7.1 <id@signet.test> is not yours");
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let node = serve(&folder, &database).await;
    let sql = database.client().await;
    for number in 0..3 {
        sign_up(&node, &format!("user{number}@example.org")).await;
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
    let log = node.log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("no mail leaves"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    for words in ["ERROR", "mail.from", "553 5.7.1", "signet doctor"] {
        assert!(
            told[0].to_uppercase().contains(&words.to_uppercase()),
            "{words}: {told:?}"
        );
    }
    assert!(
        !log.contains("@example.org") && !log.contains("is not yours"),
        "{log}"
    );

    server.order("take");
    let mut arrived = Vec::new();
    for _ in 0..3 {
        arrived.push(
            server.mail().await["to"][0]
                .as_str()
                .expect("an address")
                .to_owned(),
        );
    }
    arrived.sort();
    assert_eq!(
        arrived,
        ["user0@example.org", "user1@example.org", "user2@example.org"]
    );
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
