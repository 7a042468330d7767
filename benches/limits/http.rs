//! The load generator's half of HTTP/1.1 (RFC 9112): one keep-alive connection, and as little work a request as
//! can be, since it shares the machine with what it measures.

use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::form_urlencoded;

/// A connection that is used for one request after another.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, valid until the next request.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub status: u16,
    head: &'a str,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The values of a header, in their order.
    pub fn headers(&self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.head.split("\r\n").skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// All headers, in their order.
    pub fn all_headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = self.head.split("\r\n").skip(1);
        lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
    }

    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    pub fn text(&self) -> anyhow::Result<&'a str> {
        std::str::from_utf8(self.body).context("the body is no text")
    }

    /// A text member of an answer in JSON, without reading the rest.
    pub fn member(&self, name: &str) -> anyhow::Result<&'a str> {
        let text = self.text()?;
        let found = text
            .split_once(&format!("\"{name}\":\""))
            .and_then(|(_, rest)| rest.split_once('"'));
        let (value, _) = found.with_context(|| format!("no {name} in {text}"))?;
        Ok(value)
    }

    pub fn expect(self, status: u16) -> anyhow::Result<Self> {
        ensure!(
            self.status == status,
            "{} instead of {status}: {}",
            self.status,
            String::from_utf8_lossy(self.body)
        );
        Ok(self)
    }
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and waits for its whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let head = loop {
            self.receive().await?;
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end;
            }
        };
        let (status, length) = framing(&self.received[..head])?;
        let (start, end) = (head + 4, head + 4 + length);
        while self.received.len() < end {
            self.receive().await?;
        }
        Ok(Answer {
            status,
            head: std::str::from_utf8(&self.received[..head]).context("the head is no text")?,
            body: &self.received[start..end],
        })
    }

    async fn receive(&mut self) -> anyhow::Result<()> {
        let bytes = self.stream.read_buf(&mut self.received).await?;
        ensure!(bytes > 0, "the server closed the connection");
        Ok(())
    }
}

/// The status of an answer, and the bytes of its body.
fn framing(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    const LENGTH: &[u8] = b"content-length:";
    let status = head
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let status = status.context("no status line")?.parse()?;
    if matches!(status, 204 | 304) {
        return Ok((status, 0));
    }
    for line in head.split(|byte| *byte == b'\n') {
        if line.len() > LENGTH.len() && line[..LENGTH.len()].eq_ignore_ascii_case(LENGTH) {
            let digits = std::str::from_utf8(&line[LENGTH.len()..])?;
            return Ok((status, digits.trim().parse()?));
        }
    }
    bail!("an answer without Content-Length")
}

/// A GET.
pub fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut request = start("GET", path, headers);
    request.push_str("\r\n");
    request.into_bytes()
}

/// A POST of a form.
pub fn post(path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Vec<u8> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let mut request = start("POST", path, headers);
    request.push_str("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ");
    request.push_str(&body.len().to_string());
    request.push_str("\r\n\r\n");
    request.push_str(&body);
    request.into_bytes()
}

/// A POST of JSON.
pub fn post_json(path: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    let mut request = start("POST", path, &[]);
    request.push_str("Content-Type: application/json\r\nContent-Length: ");
    request.push_str(&body.len().to_string());
    request.push_str("\r\n\r\n");
    request.push_str(&body);
    request.into_bytes()
}

fn start(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers {
        request.push_str(name);
        request.push_str(": ");
        request.push_str(value);
        request.push_str("\r\n");
    }
    request
}
