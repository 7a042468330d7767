//! Believing an ID token (OpenID Connect Core 1.0 §3.1.3.7).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreIdToken, CoreIdTokenClaims, CoreIdTokenVerifier, CoreJwsSigningAlgorithm as Alg,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError as Refusal, ClientId, IssuerUrl, Nonce,
    SignatureVerificationError,
};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::directory::Published;
use super::error::IdTokenFault;
use crate::domain::secret::Secret;

/// What signs: with a key that only the provider has. HMAC is no such, and `none` nothing.
const ALGORITHMS: [Alg; 9] = [
    Alg::EdDsa,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
];

/// How far the provider's clock may be from ours.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// How old a token may be. What is older was not made for this login.
const MAX_AGE: TimeDelta = TimeDelta::hours(1);

/// The longest token.
const MAX_LENGTH: usize = 64 * 1024;

/// The values of `amr` that mean the same everywhere (RFC 8176 §2).
const METHODS: [&str; 21] = [
    "face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina",
    "sc", "sms", "swk", "tel", "user", "vbm", "wia",
];

/// What a token must say.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    /// Its audience, and it alone.
    pub client_id: &'a str,
    /// Its nonce, if it was asked for with one.
    pub nonce: Option<&'a str>,
    /// What came with it.
    pub access_token: Option<&'a Secret>,
    /// Whether it must be made for us and not for another client of the same owner (§2, `azp`): Google's applications on
    /// phones get theirs for the web server that they talk to.
    pub azp_is_ours: bool,
    /// When the user was asked to log in anew, if they were.
    pub logged_in_since: Option<DateTime<Utc>>,
}

/// A token that is believed.
pub(super) struct Verified {
    pub issuer: String,
    pub subject: String,
    pub amr: Vec<String>,
    pub claims: Map<String, Value>,
}

/// Whether any of `algorithms` is one that is taken.
pub(super) fn takes_any(algorithms: &[Alg]) -> bool {
    algorithms.iter().any(|offered| ALGORITHMS.contains(offered))
}

/// Believes a token of a provider.
pub(super) fn verify(
    token: &Secret,
    published: &Published,
    expected: &Expected<'_>,
    now: DateTime<Utc>,
) -> Result<Verified, IdTokenFault> {
    let text = token.expose();
    if text.len() > MAX_LENGTH {
        return Err(IdTokenFault::Malformed);
    }
    let token: CoreIdToken = text.parse().map_err(|_| IdTokenFault::Malformed)?;
    let verifier = verifier(published, expected, now)?;
    let nonce = |told: Option<&Nonce>| nonce_is(expected.nonce, told);
    let claims = token.claims(&verifier, nonce).map_err(fault_of)?;
    let payload = payload(text).ok_or(IdTokenFault::Malformed)?;

    let iss = claims.issuer().as_str();
    let tid = payload.get("tid").and_then(Value::as_str);
    if !published.issuer.is(iss, tid) {
        return Err(IdTokenFault::Issuer);
    }
    authorized_party_is_us(claims, expected)?;
    issued_lately(claims.issue_time(), now)?;
    logged_in_anew(claims.auth_time(), expected)?;
    access_token_belongs(&token, claims, &verifier, expected)?;
    Ok(Verified {
        issuer: iss.to_owned(),
        subject: claims.subject().as_str().to_owned(),
        amr: methods(claims),
        claims: payload,
    })
}

/// The crate's verifier: signature, `aud`, `exp`. `iss` is looked at here, since it may be of many tenants.
fn verifier<'a>(
    published: &Published,
    expected: &Expected<'_>,
    now: DateTime<Utc>,
) -> Result<CoreIdTokenVerifier<'a>, IdTokenFault> {
    let client_id = ClientId::new(expected.client_id.to_owned());
    let issuer: IssuerUrl = published.metadata.issuer().clone();
    Ok(
        CoreIdTokenVerifier::new_public_client(client_id, issuer, published.keys.clone())
            .require_issuer_match(false)
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || now - SKEW),
    )
}

fn nonce_is(expected: Option<&str>, told: Option<&Nonce>) -> Result<(), String> {
    let Some(expected) = expected else { return Ok(()) };
    let same = told.is_some_and(|told| told.secret().as_bytes().ct_eq(expected.as_bytes()).into());
    if same { Ok(()) } else { Err(String::new()) }
}

fn authorized_party_is_us(claims: &CoreIdTokenClaims, expected: &Expected<'_>) -> Result<(), IdTokenFault> {
    match claims.authorized_party() {
        Some(party) if expected.azp_is_ours && party.as_str() != expected.client_id => {
            Err(IdTokenFault::Audience)
        }
        _ => Ok(()),
    }
}

fn issued_lately(issued_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), IdTokenFault> {
    if (-SKEW..=MAX_AGE).contains(&(now - issued_at)) {
        Ok(())
    } else {
        Err(IdTokenFault::IssuedAt)
    }
}

/// §3.1.3.7, 13: whoever was asked for `max_age` must say when the login was.
fn logged_in_anew(auth_time: Option<DateTime<Utc>>, expected: &Expected<'_>) -> Result<(), IdTokenFault> {
    let Some(since) = expected.logged_in_since else {
        return Ok(());
    };
    if auth_time.is_some_and(|at| at >= since - SKEW) {
        Ok(())
    } else {
        Err(IdTokenFault::AuthTime)
    }
}

/// §3.1.3.8. Where the token has no `at_hash`, nothing ties the two together but that they came by one way.
fn access_token_belongs(
    token: &CoreIdToken,
    claims: &CoreIdTokenClaims,
    verifier: &CoreIdTokenVerifier<'_>,
    expected: &Expected<'_>,
) -> Result<(), IdTokenFault> {
    let (Some(access_token), Some(told)) = (expected.access_token, claims.access_token_hash()) else {
        return Ok(());
    };
    let hash = || {
        let algorithm = token.signing_alg().ok()?;
        let key = token.signing_key(verifier).ok()?;
        let access_token = AccessToken::new(access_token.expose().to_owned());
        AccessTokenHash::from_token(&access_token, algorithm, key).ok()
    };
    if hash().is_some_and(|hash| hash == *told) {
        Ok(())
    } else {
        Err(IdTokenFault::AccessToken)
    }
}

fn methods(claims: &CoreIdTokenClaims) -> Vec<String> {
    let told = claims.auth_method_refs().into_iter().flatten();
    let mut methods: Vec<String> = told
        .map(|method| method.as_str().to_owned())
        .filter(|method| METHODS.contains(&&**method))
        .collect();
    methods.sort();
    methods.dedup();
    methods
}

/// All claims of a token whose signature holds.
fn payload(token: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn fault_of(refusal: Refusal) -> IdTokenFault {
    match refusal {
        Refusal::Expired(_) => IdTokenFault::Expired,
        Refusal::InvalidAudience(_) => IdTokenFault::Audience,
        Refusal::InvalidIssuer(_) => IdTokenFault::Issuer,
        Refusal::InvalidNonce(_) => IdTokenFault::Nonce,
        Refusal::InvalidSubject(_) => IdTokenFault::Subject,
        Refusal::SignatureVerification(
            SignatureVerificationError::DisallowedAlg(_)
            | SignatureVerificationError::NoSignature
            | SignatureVerificationError::UnsupportedAlg(_),
        ) => IdTokenFault::Algorithm,
        Refusal::SignatureVerification(_) => IdTokenFault::Signature,
        _ => IdTokenFault::Malformed,
    }
}
