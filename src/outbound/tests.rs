use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::dns::{Addrs, Name, Resolving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A listener that answers every connection with the same bytes, keeps it open, and counts.
struct Listener {
    port: u16,
    connections: Arc<AtomicUsize>,
    heard: Arc<tokio::sync::Mutex<String>>,
}

impl Listener {
    async fn saying(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let heard = Arc::new(tokio::sync::Mutex::new(String::new()));
        let (count, record) = (Arc::clone(&connections), Arc::clone(&heard));
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut bytes = vec![0; 4096];
                let read = stream.read(&mut bytes).await.unwrap_or(0);
                *record.lock().await = String::from_utf8_lossy(&bytes[..read]).into_owned();
                // The client may hang up in the middle: that is what some tests are about.
                let _ = stream.write_all(&answer).await;
                open.push(stream);
            }
        });
        Self {
            port,
            connections,
            heard,
        }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/path?secret=1", self.port)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Names that lead elsewhere at every look-up, as a rebinding attacker's do.
struct Rebinding {
    answers: Vec<&'static [&'static str]>,
    asked: AtomicUsize,
}

impl Rebinding {
    fn to(answers: &[&'static [&'static str]]) -> Arc<Self> {
        Arc::new(Self {
            answers: answers.to_vec(),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Rebinding {
    fn resolve(&self, _name: Name) -> Resolving {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let found: Vec<SocketAddr> = self.answers[turn.min(self.answers.len() - 1)]
            .iter()
            .map(|address| SocketAddr::new(address.parse().expect("an address"), 0))
            .collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

const PUBLIC_WITHOUT_TLS: Policy = Policy {
    plain_http: PlainHttp::Allowed,
    ..Policy::STRANGERS
};

const IMPATIENT: Policy = Policy {
    timeout: Duration::from_millis(200),
    ..Policy::OPERATORS
};

const FORGETFUL: Policy = Policy {
    idle_timeout: Duration::ZERO,
    ..Policy::OPERATORS
};

const SHORT: Policy = Policy {
    max_body: 10,
    ..Policy::OPERATORS
};

async fn get(client: &Client, url: &str) -> Result<Response<Vec<u8>>, OutboundError> {
    let request = Request::get(url).body(Vec::new()).expect("a request");
    client.send(request).await
}

async fn get_by(policy: Policy, url: &str) -> Result<Response<Vec<u8>>, OutboundError> {
    get(&Client::new(policy), url).await
}

#[tokio::test]
async fn an_answer_comes_whole_and_the_listener_knows_who_asked() {
    let listener =
        Listener::saying(b"HTTP/1.1 202 Accepted\r\nx-a: b\r\ncontent-length: 10\r\n\r\n0123456789".to_vec())
            .await;
    let answer = get_by(SHORT, &listener.url("127.0.0.1"))
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["x-a"], "b");
    assert_eq!(answer.body(), b"0123456789", "the limit itself is no excess");
    let heard = listener.heard.lock().await.to_lowercase();
    assert!(heard.starts_with("get /path?secret=1 http/1.1"), "{heard}");
    assert!(
        heard.contains(&format!("user-agent: {USER_AGENT}\r\n")),
        "{heard}"
    );
    assert!(!heard.contains("referer") && !heard.contains("cookie"), "{heard}");
}

#[tokio::test]
async fn addresses_in_the_url_are_refused_however_they_are_written() {
    let listener = Listener::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
    ] {
        let refused = get_by(PUBLIC_WITHOUT_TLS, &listener.url(host)).await;
        assert!(
            matches!(refused, Err(OutboundError::OutOfReach)),
            "{host}: {refused:?}"
        );
    }
    let metadata = get_by(Policy::OPERATORS, "http://169.254.169.254/latest").await;
    assert!(matches!(metadata, Err(OutboundError::OutOfReach)), "{metadata:?}");
    assert_eq!(listener.connections(), 0);
    get_by(Policy::OPERATORS, &listener.url("127.0.0.1"))
        .await
        .expect("allowed");
}

#[tokio::test]
async fn a_name_is_refused_by_the_addresses_it_leads_to() {
    let listener = Listener::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let refused = get_by(PUBLIC_WITHOUT_TLS, &listener.url("localhost")).await;
    assert!(matches!(refused, Err(OutboundError::OutOfReach)), "{refused:?}");
    assert_eq!(listener.connections(), 0);
    get_by(Policy::OPERATORS, &listener.url("localhost"))
        .await
        .expect("allowed");
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_connected_to() {
    let listener =
        Listener::saying(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    // Public when it would be checked, private when it would be used: the one look-up decides.
    for answers in [
        [&["203.0.113.1"][..], &["127.0.0.1"]],
        [&["127.0.0.1"], &["127.0.0.1"]],
        [&["169.254.169.254", "::ffff:127.0.0.1"], &["127.0.0.1"]],
    ] {
        let names = Rebinding::to(&answers);
        let client = Client::with_names(PUBLIC_WITHOUT_TLS, Arc::clone(&names) as _);
        let refused = get(&client, &listener.url("rebinding.example")).await;
        assert!(
            matches!(refused, Err(OutboundError::OutOfReach)),
            "{answers:?}: {refused:?}"
        );
        assert_eq!(names.asked.load(Ordering::SeqCst), 1, "one look-up a connection");
    }
    assert_eq!(listener.connections(), 0);

    // Of several addresses the allowed are used, and the metadata service is none of them.
    let names = Rebinding::to(&[&["169.254.169.254", "127.0.0.1"], &["169.254.169.254"]]);
    let client = Client::with_names(Policy::OPERATORS, Arc::clone(&names) as _);
    get(&client, &listener.url("mixed.example"))
        .await
        .expect("allowed");
    let refused = get(&client, &listener.url("mixed.example")).await;
    assert!(matches!(refused, Err(OutboundError::OutOfReach)), "{refused:?}");
    assert_eq!(listener.connections(), 1);
}

#[tokio::test]
async fn plain_http_and_odd_urls_are_refused() {
    let plain = get_by(Policy::STRANGERS, "http://example.com/").await;
    assert!(matches!(plain, Err(OutboundError::PlainHttp)), "{plain:?}");
    for url in [
        "/path",
        "ftp://example.com/",
        "https://ada:secret@example.com/",
        "https://ada@example.com/",
    ] {
        let refused = get_by(Policy::OPERATORS, url).await;
        assert!(matches!(refused, Err(OutboundError::Url)), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Listener::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url("127.0.0.1")
    );
    let listener = Listener::saying(redirect.into_bytes()).await;
    let answer = get_by(Policy::OPERATORS, &listener.url("127.0.0.1"))
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 302);
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_not_read_to_its_end() {
    let told = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n".to_vec();
    let mut endless = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..4 {
        endless.extend_from_slice(b"4\r\nabcd\r\n");
    }
    let until_close = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n0123456789abc".to_vec();
    // None of these comes to an end: only the limit ends them.
    for answer in [told, endless, until_close] {
        let listener = Listener::saying(answer).await;
        let refused = get_by(SHORT, &listener.url("127.0.0.1")).await;
        assert!(matches!(refused, Err(OutboundError::TooLong(10))), "{refused:?}");
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_the_policy_says() {
    let silent = Listener::saying(Vec::new()).await;
    let slow = Listener::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0".to_vec()).await;
    for listener in [silent, slow] {
        let refused = get_by(IMPATIENT, &listener.url("127.0.0.1")).await;
        assert!(matches!(refused, Err(OutboundError::Timeout)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_for_too_long_is_not_used_again() {
    // Each connection is answered once: a second request on it waits in vain.
    let listener = Listener::saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    let client = Client::new(FORGETFUL);
    for connections in 1..=2 {
        let answer = get(&client, &listener.url("127.0.0.1")).await;
        assert_eq!(answer.expect("an answer").status(), 200);
        assert_eq!(listener.connections(), connections);
    }
}

#[tokio::test]
async fn what_is_no_http_and_who_does_not_listen_are_told_apart_and_the_url_is_not_told() {
    let listener = Listener::saying(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await;
    let broken = get_by(Policy::OPERATORS, &listener.url("127.0.0.1")).await;
    assert!(matches!(broken, Err(OutboundError::Broken(_))), "{broken:?}");
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/?secret=1", free.local_addr().expect("bound"));
    drop(free);
    let nobody = get_by(Policy::OPERATORS, &url).await;
    assert!(matches!(nobody, Err(OutboundError::Connect(_))), "{nobody:?}");
    for error in [broken, nobody] {
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_no_authority_vouches_for_is_refused() {
    use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, ssl, x509};
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = x509::X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "localhost").expect("a name");
    let name = name.build();
    let mut certificate = x509::X509Builder::new().expect("a certificate");
    certificate.set_subject_name(&name).expect("a name");
    certificate.set_issuer_name(&name).expect("a name");
    certificate.set_pubkey(&key).expect("a key");
    certificate
        .set_not_before(&Asn1Time::days_from_now(0).expect("a time"))
        .expect("a time");
    certificate
        .set_not_after(&Asn1Time::days_from_now(1).expect("a time"))
        .expect("a time");
    certificate
        .sign(&key, MessageDigest::sha256())
        .expect("a signature");
    let mut acceptor =
        ssl::SslAcceptor::mozilla_intermediate(ssl::SslMethod::tls_server()).expect("an acceptor");
    acceptor.set_private_key(&key).expect("a key");
    acceptor
        .set_certificate(&certificate.build())
        .expect("a certificate");
    let acceptor = acceptor.build();

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!(
        "https://localhost:{}/",
        listener.local_addr().expect("bound").port()
    );
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        acceptor.accept(stream).is_ok()
    });
    let refused = get_by(Policy::OPERATORS, &url).await;
    assert!(matches!(refused, Err(OutboundError::Connect(_))), "{refused:?}");
    assert!(
        !server.join().expect("it ends"),
        "the handshake must not come to its end"
    );
}
