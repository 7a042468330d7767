//! How often the issuer's JWKS is fetched, read from the counters that its nodes show at `/metrics`.

use super::material::NotPossible;
use crate::outbound::{Client, Request};

/// The counter of answers, by route.
const COUNTER: &str = "signet_http_requests_total{";

/// Reads the counters.
pub struct JwksRequests {
    client: Client,
    nodes: Vec<String>,
}

impl JwksRequests {
    /// Reads the counters at `nodes`, after trying whether they count what is fetched from `jwks_uri`: counters of
    /// another server, or behind a cache, would stand still whatever the resource server does.
    ///
    /// # Errors
    /// With what stands in the way.
    pub async fn of(client: &Client, nodes: Vec<String>, jwks_uri: &str) -> Result<Self, NotPossible> {
        let requests = Self {
            client: client.clone(),
            nodes,
        };
        let before = requests.count().await?;
        fetch(client, jwks_uri).await?;
        if requests.count().await? > before {
            Ok(requests)
        } else {
            let nodes = requests.nodes.join(", ");
            Err(NotPossible(format!(
                "{nodes} does not count the requests for {jwks_uri}: name every node's /metrics with --metrics"
            )))
        }
    }

    /// How many requests for the JWKS all nodes have answered.
    ///
    /// # Errors
    /// When a node shows no counters.
    pub async fn count(&self) -> Result<u64, NotPossible> {
        let mut total = 0;
        for node in &self.nodes {
            total += sum(&fetch(&self.client, node).await?);
        }
        Ok(total)
    }
}

async fn fetch(client: &Client, url: &str) -> Result<String, NotPossible> {
    let reason = |text: String| NotPossible(format!("JWKS requests cannot be counted: {url}: {text}"));
    let request = Request::get(url)
        .body(Vec::new())
        .map_err(|error| reason(error.to_string()))?;
    let answer = client
        .send(request)
        .await
        .map_err(|error| reason(error.to_string()))?;
    if !answer.status().is_success() {
        return Err(reason(format!(
            "answered {}; name the issuer's /metrics with --metrics",
            answer.status()
        )));
    }
    String::from_utf8(answer.into_body()).map_err(|error| reason(error.to_string()))
}

/// The requests for any view of the JWKS, of Prometheus' text format.
fn sum(metrics: &str) -> u64 {
    metrics
        .lines()
        .filter_map(|line| line.strip_prefix(COUNTER))
        .filter_map(|line| line.rsplit_once("} "))
        .filter(|(labels, _)| labels.contains("/jwks"))
        .filter_map(|(_, value)| value.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_for_the_jwks_count_whatever_their_status() {
        let metrics = "# TYPE signet_http_requests_total counter\n\
            signet_http_requests_total{route=\"/.well-known/jwks.json\",method=\"GET\",status=\"200\"} 40\n\
            signet_http_requests_total{route=\"/id/.well-known/jwks.json\",method=\"GET\",status=\"304\"} 2\n\
            signet_http_requests_total{route=\"/oauth2/token\",method=\"POST\",status=\"200\"} 1000\n\
            signet_http_request_seconds_count{route=\"/.well-known/jwks.json\"} 500\n";
        assert_eq!(sum(metrics), 42);
        assert_eq!(sum(""), 0);
    }
}
