//! The back-channel of a client: a listener that takes logout tokens and answers as it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A listener on this machine, ended with the value.
pub struct Receiver {
    pub url: String,
    state: Arc<Mutex<State>>,
    listening: JoinHandle<()>,
}

/// What a receiver does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// It never answers.
    Silence,
}

struct State {
    tokens: Vec<String>,
    /// What the next requests get, before `otherwise`.
    next: VecDeque<Answer>,
    otherwise: Answer,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State {
            tokens: Vec::new(),
            next: VecDeque::new(),
            otherwise: Answer::Status(200),
        }));
        let shared = Arc::clone(&state);
        let listening = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("it listens");
                tokio::spawn(answer(stream, Arc::clone(&shared)));
            }
        });
        Self {
            url: format!("http://{address}/backchannel_logout"),
            state,
            listening,
        }
    }

    /// The next requests are answered so, one by one.
    pub fn will_answer(&self, answers: &[Answer]) {
        self.state.lock().expect("whole").next.extend(answers);
    }

    /// All further requests are.
    pub fn always_answers(&self, answer: Answer) {
        self.state.lock().expect("whole").otherwise = answer;
    }

    /// The logout tokens that came, in their order.
    pub fn tokens(&self) -> Vec<String> {
        self.state.lock().expect("whole").tokens.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Reads one request, which must be the one of Back-Channel Logout 1.0 §2.5.
async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut request = Vec::new();
    let (head, length) = loop {
        if stream.read_buf(&mut request).await.expect("bytes") == 0 {
            return;
        }
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8(request[..end].to_vec()).expect("a head of text");
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>())
        });
        break (head, end + 4 + length.expect("a length").expect("a number"));
    };
    while request.len() < length {
        assert_ne!(stream.read_buf(&mut request).await.expect("bytes"), 0);
    }
    assert!(
        head.starts_with("POST /backchannel_logout HTTP/1.1\r\n"),
        "{head}"
    );
    let form = "content-type: application/x-www-form-urlencoded";
    assert!(head.to_lowercase().lines().any(|line| line == form), "{head}");
    let body = &request[head.len() + 4..];
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let [(name, token)] = &fields[..] else {
        panic!("{fields:?}")
    };
    assert_eq!(name, "logout_token");
    let answer = {
        let mut state = state.lock().expect("whole");
        state.tokens.push(token.clone());
        let otherwise = state.otherwise;
        state.next.pop_front().unwrap_or(otherwise)
    };
    match answer {
        Answer::Status(status) => {
            let text = format!(
                "HTTP/1.1 {status} X\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            // Who asked may have gone away.
            drop(stream.write_all(text.as_bytes()).await);
        }
        Answer::Silence => std::future::pending().await,
    }
}
