//! openid-client, the certified client of the JavaScript world. It signs its assertions as `Ed25519` (RFC 9864).

use super::{ed25519_key, goes_the_whole_way};
use crate::support::programs::Program;

fn client() -> Program {
    Program::node("openid_client.mjs")
}

#[tokio::test]
async fn a_public_client_goes_from_discovery_to_logout() {
    goes_the_whole_way(client, "none", None).await;
}

#[tokio::test]
async fn a_client_with_its_secret_in_the_header_goes_from_discovery_to_logout() {
    goes_the_whole_way(client, "client_secret_basic", None).await;
}

#[tokio::test]
async fn a_client_with_its_secret_in_the_form_goes_from_discovery_to_logout() {
    goes_the_whole_way(client, "client_secret_post", None).await;
}

#[tokio::test]
async fn a_client_that_signs_assertions_goes_from_discovery_to_logout() {
    goes_the_whole_way(client, "private_key_jwt", Some(&ed25519_key())).await;
}
