//! Those that are no OpenID providers: what their APIs say of whoever has an access token, as claims.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::error::UpstreamError;
use super::place::below;
use super::settings::{Endpoints, Preset};
use crate::domain::secret::Secret;

/// What is said of the person.
pub(super) async fn claims(
    call: &Call<'_>,
    preset: Preset,
    endpoints: &Endpoints,
    access_token: &Secret,
) -> Result<Map<String, Value>, UpstreamError> {
    let mut address = endpoints.userinfo.clone();
    if preset == Preset::Facebook {
        address
            .query_pairs_mut()
            .append_pair("fields", "id,name,email,picture.type(large)");
    }
    let mut claims: Map<String, Value> = call.get(&address, Some(access_token)).await?;
    match preset {
        Preset::GitHub => add_github_address(call, &mut claims, endpoints, access_token).await?,
        Preset::Discord => add_discord_picture(&mut claims),
        _ => {}
    }
    Ok(claims)
}

/// An entry of GitHub's list of addresses ("REST API endpoints for emails").
#[derive(Deserialize)]
struct GitHubEmail {
    email: String,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    verified: bool,
}

/// The profile has the address that the user shows to everybody, if any, and does not say whether it is proven. The
/// list does; without leave to read it there is no address that means anything.
async fn add_github_address(
    call: &Call<'_>,
    claims: &mut Map<String, Value>,
    endpoints: &Endpoints,
    access_token: &Secret,
) -> Result<(), UpstreamError> {
    let list = below(&endpoints.userinfo, "emails");
    let emails: Vec<GitHubEmail> = match call.get(&list, Some(access_token)).await {
        Err(UpstreamError::Refused { .. }) => Vec::new(),
        answer => answer?,
    };
    let primary = emails.into_iter().find(|email| email.primary);
    let (email, verified) = match primary {
        Some(primary) => (json!(primary.email), primary.verified),
        None => (claims.get("email").cloned().unwrap_or_default(), false),
    };
    claims.insert("email".into(), email);
    claims.insert("email_verified".into(), verified.into());
    Ok(())
}

/// Discord tells a hash, and where pictures with it are ("Image Formatting").
fn add_discord_picture(claims: &mut Map<String, Value>) {
    let text = |name: &str| {
        let text = claims.get(name)?.as_str()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        text.bytes().all(plain).then_some(text)
    };
    if let (Some(id), Some(hash)) = (text("id"), text("avatar")) {
        let url = format!("https://cdn.discordapp.com/avatars/{id}/{hash}.png");
        claims.insert("picture".into(), url.into());
    }
}
