use chrono::DateTime;

use super::*;
use crate::clock::TestClock;
use crate::domain::ids::MailId;

fn smtp(from: &str) -> Result<Smtp, InvalidSmtp> {
    let at = DateTime::from_timestamp(1_796_000_000, 0).expect("a date");
    let settings = SmtpSettings {
        url: Secret::new("smtp://localhost".to_owned()),
        from: from.to_owned(),
    };
    Smtp::new(&settings, Arc::new(TestClock::starting_at(at)))
}

fn mail(to: &str, subject: &str) -> Mail {
    Mail {
        id: MailId::from(uuid::Uuid::from_u128(7)),
        to: to.to_owned(),
        subject: subject.to_owned(),
        text: "Guten Tag\n.\nBcc: x@example.org\n".to_owned(),
        html: "<p>Guten Tag</p>".to_owned(),
    }
}

fn written(mail: &Mail) -> String {
    let smtp = smtp("Prüf <id@example.org>").expect("settings");
    let (_, message) = smtp.compose(mail).expect("a message");
    String::from_utf8(message.formatted()).expect("ASCII")
}

#[test]
fn a_mail_is_written_down_the_same_whenever_it_is_sent() {
    let mail = mail("ada@example.com", "Bestätigen");
    insta::assert_snapshot!(written(&mail).replace('\r', ""), @r#"
    From: =?utf-8?b?UHLDvGY=?= <id@example.org>
    To: ada@example.com
    Subject: =?utf-8?b?QmVzdMOkdGlnZW4=?=
    Date: Mon, 30 Nov 2026 00:53:20 +0000
    Message-ID: <00000000-0000-0000-0000-000000000007@example.org>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: multipart/alternative;
     boundary="signet_00000000000000000000000000000007"

    --signet_00000000000000000000000000000007
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 7bit

    Guten Tag
    .
    Bcc: x@example.org

    --signet_00000000000000000000000000000007
    Content-Type: text/html; charset=utf-8
    Content-Transfer-Encoding: 7bit

    <p>Guten Tag</p>
    --signet_00000000000000000000000000000007--
    "#);
    assert_eq!(written(&mail), written(&mail));
}

#[test]
fn nothing_in_a_mail_becomes_a_header_or_another_recipient() {
    let smtp = smtp("id@example.org").expect("settings");
    for (to, subject) in [
        ("ada@example.com", "x\r\nBcc: all@example.org"),
        ("ada@example.com", "x\nBcc: all@example.org"),
        ("ada@example.com\r\nRCPT TO:<x@example.org>", "x"),
        ("ada@example.com,eve@example.org", "x"),
        ("ada@example.com> <eve@example.org", "x"),
        ("Ada <ada@example.com>", "x"),
        ("ada\r\n@example.com", "x"),
        ("ada", "x"),
        ("", "x"),
    ] {
        assert!(smtp.compose(&mail(to, subject)).is_err(), "{to:?} {subject:?}");
    }
    let (_, message) = smtp.compose(&mail("ada@bücher.example", "x")).expect("a message");
    assert_eq!(message.envelope().to().len(), 1);
    assert_eq!(
        message.envelope().to()[0].to_string(),
        "ada@xn--bcher-kva.example"
    );
}

#[test]
fn a_sender_is_one_address() {
    for from in [
        "id@example.org",
        "Signet <id@example.org>",
        "\"Signet, Inc.\" <id@bücher.example>",
    ] {
        assert!(smtp(from).is_ok(), "{from}");
    }
    for from in [
        "",
        "id",
        "a@example.org, b@example.org",
        "x\r\nBcc: y <id@example.org>",
        "jörg@example.org",
    ] {
        assert_eq!(smtp(from).err(), Some(InvalidSmtp::From), "{from}");
    }
}
