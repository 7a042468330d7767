//! A small server that tokens point to (`jku`, `x5u`), as an attacker's would: hands out a key, and counts who asks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use url::Url;

/// The server, ended with the value.
pub struct Lure {
    url: String,
    visits: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Lure {
    /// Serves `jwk` where the resource server at `url` can come to, if it is on this machine or network.
    ///
    /// # Errors
    /// When this machine gives no port.
    pub async fn set(url: &Url, jwk: &Value) -> std::io::Result<Self> {
        let address = own_address_towards(url)
            .await
            .unwrap_or(Ipv4Addr::LOCALHOST.into());
        let listener = TcpListener::bind((address, 0)).await?;
        let url = format!("http://{}/jwks.json", listener.local_addr()?);
        let body = json!({"keys": [jwk]}).to_string();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/jwk-set+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    // Whoever hangs up has come all the same.
                    if stream.read(&mut request).await.is_ok() {
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.shutdown().await;
                    }
                });
            }
        });
        Ok(Self { url, visits, task })
    }

    /// What tokens name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often somebody came.
    pub fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

impl Drop for Lure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address of this machine that the resource server sees. Nothing is sent.
async fn own_address_towards(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default()?;
    let theirs: SocketAddr = tokio::net::lookup_host((host, port)).await.ok()?.next()?;
    let any: SocketAddr = if theirs.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await.ok()?;
    socket.connect(theirs).await.ok()?;
    Some(socket.local_addr().ok()?.ip())
}
