// An OpenID provider that nobody here wrote (npm oidc-provider), as one of the kinds that people know.
//
// upstream_openid.mjs google|microsoft|apple|gitlab|oidc RS256|ES256|PS256|EdDSA, and one line of JSON on standard input:
//   {"client": {"id", "secret"} or for apple {"id", "team_id", "key_id", "public_key"},
//    "accounts": {NAME: {"sub", …claims}}, "userinfo_only": true to keep all but `sub` out of ID tokens}
// POST /control takes
//   {"callbacks": [URL]}           where it may send browsers to
//   {"faults": {PLACE: FAULT}}     PLACE: discovery, jwks, authorize, token, userinfo; FAULTs are in upstream_server.mjs
//   {"id_token": {"claims": {…}, "key": "unknown"|"new", "alg": "none"|"HS256"}}   what ID tokens are made into
//   {"userinfo": {…}}              claims put into answers of userinfo
import { randomBytes } from "node:crypto";

import { SignJWT, UnsecuredJWT, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

import { must } from "./program.mjs";
import { KINDS } from "./upstream_kinds.mjs";
import { escape, loginForm, page, read, serve, show } from "./upstream_server.mjs";

const PLACES = {
  "/.well-known/openid-configuration": "discovery",
  "/jwks": "jwks", "/auth/keys": "jwks",
  "/token": "token",
  "/me": "userinfo",
  "/auth": "authorize", "/auth/authorize": "authorize",
  "/session/end": "end_session",
};

const [kindName, alg] = process.argv.slice(2);
const kind = KINDS[kindName];
must(kind && alg, "usage: upstream_openid.mjs google|microsoft|apple|gitlab|oidc ALGORITHM");

/** A key that signs ID tokens, as a private JWK. */
async function signingKey(kid) {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg, use: "sig" };
}

const published = ({ d, p, q, dp, dq, qi, ...open }) => open;

/** The library, told who it is. */
function library({ base, settings, state, key }) {
  const { client } = settings;
  const named = (claims) => (kind.account ? kind.account(claims) : claims);
  const provider = new Provider(`${base}${kind.path ?? ""}`, {
    clients: [{
      client_id: client.id,
      client_secret: client.secret ?? randomBytes(32).toString("hex"),
      token_endpoint_auth_method: kind.authMethod,
      grant_types: ["authorization_code", "refresh_token"],
      id_token_signed_response_alg: alg,
      // Which addresses are allowed comes later, when the one who is tested has a port.
      redirect_uris: ["http://127.0.0.1/nowhere"],
    }],
    clientAuthMethods: [kind.authMethod],
    jwks: { keys: [key] },
    enabledJWA: { idTokenSigningAlgValues: [alg] },
    // Browsers keep the cookies of all ports of a host together.
    cookies: {
      keys: [randomBytes(32).toString("hex")],
      names: Object.fromEntries(
        ["session", "interaction", "resume"].map((name) => [name, `_${name}_${new URL(base).port}`]),
      ),
    },
    claims: { ...kind.claims, openid: [...kind.claims.openid, "amr"] },
    scopes: ["openid", "offline_access", ...(kind.scopes ?? [])],
    conformIdTokenClaims: kind.conforms === true || settings.userinfo_only === true,
    routes: kind.routes ?? {},
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: !kind.bare },
      rpInitiatedLogout: {
        enabled: !kind.bare,
        logoutSource: (ctx, form) => {
          ctx.body = page("Log out?", `${form}<button form="op.logoutForm" name="logout" value="yes">Log out</button>`);
        },
        postLogoutSuccessSource: (ctx) => {
          ctx.body = page("Logged out", "");
        },
      },
    },
    pkce: { required: () => true },
    issueRefreshToken: () => true,
    interactions: { url: (ctx, { uid }) => `${mount(ctx.req)}/interaction/${uid}` },
    findAccount: (_, sub) => {
      const claims = Object.values(state.accounts).find((account) => account.sub === sub);
      return claims && { accountId: sub, claims: () => named(claims) };
    },
    // Whoever logs in agrees to everything, as if it had done so long ago.
    loadExistingGrant: async ({ oidc }) => {
      const { Grant } = oidc.provider;
      const known = oidc.session.grantIdFor(oidc.client.clientId);
      const grant = (known && (await Grant.find(known))) ||
        new Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(oidc.params.scope);
      await grant.save();
      return grant;
    },
    renderError: (ctx, { error, error_description: description }) => {
      ctx.type = "html";
      ctx.body = page("This request is refused", `<p role="alert">${escape(error)}: ${escape(description)}</p>`);
    },
  });
  const allowed = (uri) => state.callbacks.includes(uri);
  Object.assign(provider.Client.prototype, { redirectUriAllowed: allowed, postLogoutRedirectUriAllowed: allowed });
  if (kind.takesSecret) {
    provider.Client.prototype.compareClientSecret = (secret) => kind.takesSecret(secret, { client, base });
  }
  return provider;
}

/** Below which path a request came in: the part that the library is not told. */
function mount(request) {
  const whole = request.originalUrl ?? request.url;
  return whole.slice(0, whole.length - request.url.length);
}

/** An ID token made into another, or left as it is. */
async function another(token, { base, settings, state, key, strange }) {
  const was = decodeJwt(token);
  const told = state.id_token ?? {};
  const claims = { ...was, ...(kind.issuer && { iss: kind.issuer(base, was) }), ...told.claims };
  // null takes a claim out.
  for (const [name, value] of Object.entries(claims)) if (value === null) delete claims[name];
  if (JSON.stringify(claims) === JSON.stringify(was) && !told.key && !told.alg) return token;
  if (told.alg === "none") return new UnsecuredJWT(claims).encode();
  if (told.alg === "HS256") {
    return new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(settings.client.secret));
  }
  // A token under the usual name signed with another key, or one by a key that has just been published.
  const { kid } = decodeProtectedHeader(token);
  const by = told.key ? strange : key;
  return new SignJWT(claims).setProtectedHeader({ alg, kid: told.key === "new" ? strange.kid : kid }).sign(by);
}

/** What the library answers, made into what this kind answers. */
async function dress(ctx, place, context) {
  const { base, state, strange } = context;
  if (place === "token" && ctx.body?.id_token) ctx.body.id_token = await another(ctx.body.id_token, context);
  if (place === "userinfo" && ctx.body?.sub) Object.assign(ctx.body, state.userinfo);
  if (place === "jwks" && state.id_token?.key === "new") ctx.body = { keys: [...ctx.body.keys, published(strange)] };
  if (place === "discovery" && kind.silentIss) delete ctx.body.authorization_response_iss_parameter_supported;
  if (place === "discovery" && kind.alias && mount(ctx.req) === kind.alias) ctx.body.issuer = kind.template(base);
  if (kind.silentIss) withoutIss(ctx);
  if (kind.formOnly) withName(ctx, context);
}

/** Takes `iss` out of an authorization response (RFC 9207 is not for all). */
function withoutIss(ctx) {
  const to = ctx.response.get("Location");
  if (to && ctx.oidc?.params?.redirect_uri && to.startsWith(ctx.oidc.params.redirect_uri)) {
    const url = new URL(to);
    url.searchParams.delete("iss");
    ctx.set("Location", url.href);
  }
  if (typeof ctx.body === "string") ctx.body = ctx.body.replace(/<input type="hidden" name="iss" [^>]*>/, "");
}

/** Puts the name into the first form that brings a code of this person. */
function withName(ctx, { settings, state, met }) {
  const sub = ctx.oidc?.session?.accountId;
  if (typeof ctx.body !== "string" || !ctx.body.includes('name="code"') || met.has(sub)) return;
  met.add(sub);
  const account = Object.values(state.accounts).find((one) => one.sub === sub);
  if (!account?.name || !ctx.oidc.params.scope.split(" ").includes("name")) return;
  const [firstName, ...rest] = account.name.split(" ");
  const user = JSON.stringify({ name: { firstName, lastName: rest.join(" ") }, email: account.email });
  ctx.body = ctx.body.replace("</form>", `<input type="hidden" name="user" value="${escape(user)}"/></form>`);
}

/** Apple makes ID tokens for every scope, and documents none but `name` and `email`; the library needs to be asked. */
function withOpenid(path) {
  const url = new URL(path, "http://upstream");
  const scopes = url.searchParams.get("scope")?.split(" ");
  if (!scopes || scopes.includes("openid")) return path;
  url.searchParams.set("scope", ["openid", ...scopes].join(" "));
  return url.pathname + url.search;
}

/** Where a person says who it is. */
async function interaction({ provider, state }, request, response) {
  const { params, prompt } = await provider.interactionDetails(request, response);
  if (request.method !== "POST") {
    const who = params.login_hint ? `<p>Asked for: ${escape(params.login_hint)}</p>` : "";
    return show(response, 200, `Sign in (${escape(prompt.name)})`, who + loginForm(request.originalUrl ?? request.url));
  }
  const form = new URLSearchParams(await read(request));
  const account = state.accounts[form.get("account")];
  if (form.has("cancel")) {
    const result = { error: kind.denial ?? "access_denied", error_description: "The user has said no" };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  if (!account) return show(response, 400, "Nobody is called so", loginForm(request.originalUrl ?? request.url));
  const login = { accountId: account.sub, amr: account.amr };
  return provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
}

await serve(PLACES, async ({ base, settings, state }) => {
  const key = await signingKey("usual");
  const strange = await signingKey("strange");
  const context = { base, settings, state, key, strange, met: new Set() };
  const provider = library(context);
  provider.use(async (ctx, next) => {
    const place = Object.entries(PLACES).find(([end]) => ctx.path.endsWith(end))?.[1];
    if (place === "authorize" && kind.formOnly && ctx.query.scope && ctx.query.response_mode !== "form_post") {
      ctx.status = 400;
      ctx.body = "invalid_request: response_mode must be form_post when name or email scope is requested";
      return;
    }
    await next();
    await dress(ctx, place, context);
  });
  const answer = provider.callback();
  return (request, response) => {
    const below = [kind.path, kind.alias].find((path) => path && request.url.startsWith(`${path}/`));
    if (kind.formOnly) request.url = withOpenid(request.url);
    request.originalUrl = request.url;
    if (below) request.url = request.url.slice(below.length);
    return request.url.startsWith("/interaction/")
      ? interaction({ provider, state }, request, response)
      : answer(request, response);
  };
});
