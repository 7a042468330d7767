// An unmodified openid-client goes from discovery to logout.
//
// ISSUER CLIENT_ID REDIRECT_URI POST_LOGOUT_REDIRECT_URI EMAIL PASSWORD
// [CLIENT_SECRET] [AUTH_METHOD="client_secret_basic", "none" without a secret] [PRIVATE_KEY: a JWK to sign with]
// [SCOPE="openid profile email"] [RESOURCE] [NAME: of a user to sign up, with prompt=create]
import { importJWK } from "jose";
import * as client from "openid-client";

import { must, program, setting } from "./program.mjs";
import { UserAgent } from "./user_agent.mjs";

const refused = async (promise) => {
  const error = await promise.then(() => undefined, (error) => error);
  return error?.error === "invalid_grant";
};

/** How the client proves who it is, by the standard's name of it. */
async function authentication(method, secret) {
  switch (method) {
    case "none": return client.None();
    case "client_secret_basic": return client.ClientSecretBasic(secret);
    case "client_secret_post": return client.ClientSecretPost(secret);
    case "private_key_jwt": {
      const jwk = JSON.parse(setting("PRIVATE_KEY"));
      const key = await importJWK(jwk, { OKP: "Ed25519", EC: "ES256" }[jwk.kty]);
      return client.PrivateKeyJwt({ key, kid: jwk.kid });
    }
    default: throw new Error(`no method ${method}`);
  }
}

await program(async (step) => {
  const issuer = new URL(setting("ISSUER"));
  const scope = setting("SCOPE", "openid profile email");
  const secret = setting("CLIENT_SECRET", "");
  const method = setting("AUTH_METHOD", secret ? "client_secret_basic" : "none");
  const resource = setting("RESOURCE", "");
  const name = setting("NAME", "");
  const redirectUri = new URL(setting("REDIRECT_URI"));
  const user = new UserAgent({ email: setting("EMAIL"), password: setting("PASSWORD"), ...(name && { name }) });

  step("discovery");
  const config = await client.discovery(
    issuer,
    setting("CLIENT_ID"),
    secret || undefined,
    await authentication(method, secret),
    { execute: [issuer.protocol === "http:" ? client.allowInsecureRequests : () => {}] },
  );
  // By itself it trusts TLS for the ID token, as OpenID Connect Core §3.1.3.7 allows.
  client.enableNonRepudiationChecks(config);

  step("login");
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const authorizationUrl = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri.href,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...(resource && { resource }),
    ...(name && { prompt: "create" }),
    ...(scope.split(" ").includes("offline_access") && { prompt: name ? "create consent" : "consent" }),
  });
  const callback = await user.visit(authorizationUrl, redirectUri);

  step("code");
  const tokens = await client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true,
  });
  const { sub } = tokens.claims();

  step("userinfo");
  const userinfo = await client.fetchUserInfo(config, tokens.access_token, sub);

  step("refresh");
  must(tokens.refresh_token, "no refresh token");
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  must(refreshed.access_token !== tokens.access_token, "the access token is the old one");
  must(refreshed.refresh_token, "the refresh token has no successor");
  await client.fetchUserInfo(config, refreshed.access_token, sub);

  step("logout");
  const home = new URL(setting("POST_LOGOUT_REDIRECT_URI"));
  const state = client.randomState();
  const end = client.buildEndSessionUrl(config, {
    id_token_hint: refreshed.id_token ?? tokens.id_token, post_logout_redirect_uri: home.href, state,
  });
  const left = await user.visit(end, home);
  must(left.searchParams.get("state") === state, "logout lost the state");

  let last = refreshed.refresh_token;
  if (scope.split(" ").includes("offline_access")) {
    step("refresh without a session");
    last = (await client.refreshTokenGrant(config, last)).refresh_token;
    step("revocation");
    await client.tokenRevocation(config, last);
  }
  step("refresh after the end");
  must(await refused(client.refreshTokenGrant(config, last)), "a dead refresh token still works");

  const { access_token, id_token } = tokens;
  return { sub, scope: tokens.scope ?? scope, userinfo, access_token, id_token };
});
