//! The unmodified Better Auth client against `signet dev`: as a program, and with React in a real browser.

use serde_json::Value;

use crate::support::database;
use crate::support::node::{Folder, Node};
use crate::support::programs::{Program, free_port};

/// The address that browsers have for a node, which their own pages are of the same site with.
fn issuer(node: &Node) -> String {
    node.url.replace("127.0.0.1", "localhost")
}

fn with_mailbox(program: Program, node: &Node) -> Program {
    program
        .setting("ISSUER", &issuer(node))
        .setting("MAILBOX", &format!("{}/dev/mailbox.json", node.url))
}

/// A strict verifier of others believes the client's JWT, by the keys that the client reads.
async fn verifies(node: &Node, said: &Value) {
    let issuer = issuer(node);
    let verified = Program::python("verify_pyjwt.py")
        .setting("ISSUER", &issuer)
        .setting("AUDIENCE", &issuer)
        .setting("JWKS", &format!("{}/api/auth/jwks", node.url))
        .setting("TYP", "none")
        .run(said["token"].as_str().expect("a token"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(verified["claims"]["email"], "ada@example.org");
    assert_eq!(verified["claims"]["sub"], verified["claims"]["id"]);
}

#[tokio::test]
async fn the_unmodified_client_does_all_that_a_user_does_with_an_account() {
    let (folder, database) = (Folder::new(), database().await);
    let node = Node::develop(&folder, database.url.expose()).await;
    let said = with_mailbox(Program::node("better_auth_client.mjs"), &node)
        .run("")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    verifies(&node, &said).await;
}

#[tokio::test]
async fn a_front_end_with_react_on_another_origin_follows_its_session() {
    let (mut folder, database, port) = (Folder::new(), database().await, free_port());
    folder.set(
        "SIGNET_BETTER_AUTH__TRUSTED_ORIGINS",
        format!("http://localhost:{port}"),
    );
    let node = Node::develop(&folder, database.url.expose()).await;
    let said = with_mailbox(Program::node("better_auth_react.mjs"), &node)
        .setting("PORT", &port.to_string())
        .run("")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
    verifies(&node, &said).await;
}
