//! Authlib, in its Starlette form. It names the token endpoint in its assertions, which it signs with ES256 here.

use super::{goes_the_whole_way, p256_key};
use crate::support::programs::Program;

fn client() -> Program {
    Program::python("authlib_client.py")
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
    goes_the_whole_way(client, "private_key_jwt", Some(&p256_key())).await;
}
