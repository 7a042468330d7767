//! What a connection may do. A request that two parsers could read in two ways ends it, so that nothing behind
//! the request is ever answered (RFC 9112 §6.3, §11.2); and whoever is slow is cut off.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::support::app::TestApp;

/// The longest that any connection of these tests may stay open.
const PATIENCE: Duration = Duration::from_secs(30);

/// What an attacker wants to be taken for a request of somebody else.
const SMUGGLED: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// The beginning of a request with a form, to which a test adds how long it is.
const POST: &str =
    "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";

/// A connection that was closed by the server.
#[derive(Debug)]
struct Closed {
    /// All that came.
    text: String,
    after: Duration,
}

impl Closed {
    /// The status of every answer, in their order.
    fn statuses(&self) -> Vec<u16> {
        let answers = self.text.split("HTTP/1.1 ").skip(1);
        answers
            .map(|answer| answer[..3].parse().expect("a status"))
            .collect()
    }
}

async fn connect(app: &TestApp) -> TcpStream {
    let address = app.url.trim_start_matches("http://");
    TcpStream::connect(address).await.expect("it listens")
}

/// Reads until the server closes the connection, which it must.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin), began: Instant, about: &str) -> Closed {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await;
        match read.unwrap_or_else(|_| panic!("{about} is still open: {received:?}")) {
            Ok(0) | Err(_) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
    Closed {
        text: String::from_utf8_lossy(&received).into_owned(),
        after: began.elapsed(),
    }
}

/// Sends bytes at once, and reads until the server closes the connection.
async fn send(app: &TestApp, bytes: &str) -> Closed {
    let mut stream = connect(app).await;
    let began = Instant::now();
    // The server may answer, and close, before it has read everything.
    let _ = stream.write_all(bytes.as_bytes()).await;
    until_closed(&mut stream, began, &bytes[..bytes.len().min(200)]).await
}

#[tokio::test]
async fn a_request_that_can_be_read_in_two_ways_ends_its_connection() {
    let app = TestApp::start().await;
    let length = format!("Content-Length: {}\r\n", SMUGGLED.len());
    let chunked = "Transfer-Encoding: chunked\r\n";
    let cases = [
        // Two lengths, or none that is one.
        format!("{POST}{length}{chunked}\r\n0\r\n\r\n"),
        format!("{POST}{chunked}{length}\r\n0\r\n\r\n"),
        format!("{POST}Content-Length: 0\r\n{chunked}\r\n0\r\n\r\n"),
        format!("{POST}Content-Length: 0\r\n{length}\r\n"),
        format!("{POST}{length}Content-Length: 0\r\n\r\n"),
        format!("{POST}{length}{length}\r\n"),
        format!("{POST}Content-Length: 0, 0\r\n\r\n"),
        format!("{POST}Content-Length: +0\r\n\r\n"),
        format!("{POST}Content-Length: -1\r\n\r\n"),
        format!("{POST}Content-Length: 0x0\r\n\r\n"),
        format!("{POST}Content-Length: 0 0\r\n\r\n"),
        format!("{POST}Content-Length: \r\n\r\n"),
        format!("{POST}Content-Length: 18446744073709551616\r\n\r\n"),
        // Codings that are not the one.
        format!("{POST}{chunked}{chunked}\r\n0\r\n\r\n"),
        format!("{POST}{chunked}Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: identity\r\n\r\n"),
        format!("{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: chunk\u{e9}d\r\n\r\n0\r\n\r\n"),
        format!("{POST}Transfer-Encoding: \r\n\r\n"),
        format!("{POST}{chunked}\r\n0\r\n\r\n").replacen("HTTP/1.1", "HTTP/1.0", 1),
        // Lines that one parser ends and another goes on with.
        format!("{POST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}X: y\r\n Transfer-Encoding: chunked\r\n\r\n"),
        format!("{POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        format!("{POST}X: y\rTransfer-Encoding: chunked\r\n\r\n"),
        format!("{POST}X: y\0z\r\n\r\n"),
        format!("{POST}X\r\n\r\n"),
        format!("{POST}: y\r\n\r\n"),
        format!(" {POST}\r\n"),
        // Whose request it is.
        format!("{POST}Host: y\r\n\r\n"),
        format!("{POST}\r\n").replacen("Host: x\r\n", "", 1),
        format!("{POST}\r\n").replacen("HTTP/1.1", "HTTP/2.0", 1),
        format!("{POST}\r\n").replacen("HTTP/1.1", "HTTP/1.1 x", 1),
        // Chunks that are none.
        format!("{POST}{chunked}\r\nx\r\n"),
        format!("{POST}{chunked}\r\n-1\r\nx\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n0x1\r\nx\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n1 1\r\nx\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n1\nx\n0\n\n"),
        format!("{POST}{chunked}\r\n1;a\nb\r\nx\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n1\r\nxx\r\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\n1\r\nx\n0\r\n\r\n"),
        format!("{POST}{chunked}\r\nffffffffffffffff1\r\nx\r\n0\r\n\r\n"),
    ];
    let talks = cases
        .iter()
        .map(async |case| send(&app, &format!("{case}{SMUGGLED}")).await);
    let mut wrong = Vec::new();
    for (case, closed) in cases.iter().zip(join_all(talks).await) {
        let refused = closed.statuses() == [400] && closed.after < Duration::from_secs(5);
        if !refused {
            wrong.push(format!(
                "{case:?}: {:?} after {:?}",
                closed.statuses(),
                closed.after
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn what_stands_in_a_body_is_never_a_request() {
    let app = TestApp::start().await;
    let length = SMUGGLED.len();
    let chunk = format!("{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n");
    let head = |line: &str, kind: &str, framing: &str| {
        format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n")
    };
    let form = "application/x-www-form-urlencoded";
    let mut cases = Vec::new();
    for (line, kind, status) in [
        // Read by nobody: no such address, no such method, no form, no need of one.
        ("POST /nothing", form, 404),
        ("DELETE /oauth2/token", form, 405),
        ("POST /oauth2/token", "text/plain", 400),
        ("GET /login", form, 200),
        ("GET /.well-known/jwks.json", form, 200),
        ("POST /healthz", form, 404),
        // And where it is read.
        ("POST /oauth2/token", form, 401),
        ("POST /login", form, 403),
    ] {
        let by_length = head(line, kind, &format!("Content-Length: {length}"));
        let by_chunk = head(line, kind, "Transfer-Encoding: chunked");
        let close = "Connection: close\r\n\r\n";
        cases.push((format!("{by_length}{SMUGGLED}"), status));
        // A lone LF ends a line (RFC 9112 §2.2); what follows the head is the body all the same.
        cases.push((by_length.replace("\r\n", "\n") + SMUGGLED, status));
        cases.push((format!("{by_chunk}{chunk}"), status));
        cases.push((
            by_length.replacen("\r\n\r\n", &format!("\r\n{close}"), 1) + SMUGGLED,
            status,
        ));
    }
    let too_long = format!(
        "{}{}",
        head("POST /login", form, "Content-Length: 70000"),
        "x".repeat(65_537)
    );
    cases.push((too_long + SMUGGLED, 413));
    let talks = cases.iter().map(async |(bytes, _)| send(&app, bytes).await);
    let mut wrong = Vec::new();
    for ((bytes, status), closed) in cases.iter().zip(join_all(talks).await) {
        if closed.statuses() != [*status] {
            wrong.push(format!("{:.150}: {:?}", bytes, closed.statuses()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // One after the other they are requests, and so many answers come.
    let twice = format!("GET /login HTTP/1.1\r\nHost: x\r\n\r\n{SMUGGLED}");
    assert_eq!(send(&app, &twice).await.statuses(), [200, 200]);
}

#[tokio::test]
async fn a_head_has_128_kib_and_96_headers_at_most() {
    let app = TestApp::start().await;
    let many: String = (0..97).map(|number| format!("x-{number}: y\r\n")).collect();
    for (bytes, status) in [
        (
            format!(
                "GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
                "y".repeat(140_000)
            ),
            431,
        ),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(140_000)),
            431,
        ),
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
    ] {
        let closed = send(&app, &bytes).await;
        assert!(closed.after < Duration::from_secs(5), "{:?}", closed.after);
        // Whoever goes on sending may lose the answer with the connection.
        assert!([vec![], vec![status]].contains(&closed.statuses()), "{closed:?}");
    }
}

/// Sends `first` at once, then a byte of `rest` every second, and reads until the server closes the connection.
async fn drip(app: &TestApp, first: &str, rest: &str) -> Closed {
    let stream = connect(app).await;
    let began = Instant::now();
    let (mut reader, mut writer) = stream.into_split();
    let sending = async {
        writer.write_all(first.as_bytes()).await.expect("sent");
        for byte in rest.bytes() {
            sleep(Duration::from_secs(1)).await;
            if writer.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        // The connection is not to be ended from this side.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        closed = until_closed(&mut reader, began, first) => closed,
        () = sending => unreachable!("it goes on for ever"),
    }
}

#[tokio::test]
async fn whoever_is_slow_is_cut_off() {
    let app = TestApp::start().await;
    let get = "GET /login HTTP/1.1\r\nHost: x\r\n";
    let page = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let slow = "x".repeat(100);
    let chunks = "1\r\nx\r\n".repeat(20);
    let length = "Content-Length: 100\r\n\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    // What comes at once, what comes by the byte, the answers, and the seconds until the end.
    let cases: [(String, &str, &[u16], std::ops::Range<u64>); 16] = [
        // The head has 5 seconds.
        (String::new(), "", &[408], 4..9),
        ("GET /login HTTP/1.1\r\nHost: ".to_owned(), "", &[408], 4..9),
        ("GET /login HTTP/1.1\r\nHost: ".to_owned(), &slow, &[408], 4..9),
        // The body has 10, to arrive whole.
        (format!("{POST}{length}"), "", &[408], 9..15),
        (format!("{POST}{length}"), &slow, &[408], 9..15),
        (format!("{POST}{chunked}"), "", &[408], 9..15),
        (format!("{POST}{chunked}"), &chunks, &[408], 9..15),
        (format!("{page}{length}"), "", &[408], 9..15),
        (format!("{page}{chunked}"), &chunks, &[408], 9..15),
        // A body that nobody reads is not waited for.
        (format!("{get}{length}"), "", &[200], 0..5),
        (format!("{get}{length}"), &slow, &[200], 0..5),
        (format!("{get}{chunked}"), "", &[200], 0..5),
        (format!("{get}{chunked}"), &chunks, &[200], 0..5),
        (
            format!("{get}{chunked}").replace("/login", "/nothing"),
            "",
            &[404],
            0..5,
        ),
        // A connection without a request has 15, and so has one that stops in the middle of the next.
        (format!("{get}\r\n"), "", &[200], 14..20),
        (format!("{get}\r\nGET /log"), "", &[200], 14..20),
    ];
    let talks = cases
        .iter()
        .map(async |(first, rest, ..)| timeout(PATIENCE, drip(&app, first, rest)).await);
    let mut wrong = Vec::new();
    for ((first, rest, statuses, seconds), closed) in cases.iter().zip(join_all(talks).await) {
        match closed {
            Ok(closed) if closed.statuses() == *statuses && seconds.contains(&closed.after.as_secs()) => {}
            Ok(closed) => wrong.push(format!(
                "{first:?} and {rest:.8?}: {:?} after {:?}",
                closed.statuses(),
                closed.after
            )),
            Err(_) => wrong.push(format!("{first:?} and {rest:.8?} is still open")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
