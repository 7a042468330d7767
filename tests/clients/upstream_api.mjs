// Providers that are no OpenID providers, answering as their public documentation says: GitHub ("Authorizing OAuth
// apps", "Troubleshooting OAuth app access token request errors", "REST API endpoints for users", "… for emails",
// "Rate limits for the REST API"), Discord ("OAuth2", "Users Resource", "Rate Limits") and Facebook ("Manually Build a
// Login Flow", "Graph API: User", "Handling Errors"); and one of nobody's brand (RFC 6749), with names of its own.
//
// upstream_api.mjs github|discord|facebook|oauth2, and one line of JSON on standard input:
//   {"client": {"id", "secret"}, "accounts": {NAME: {"user": {…}, "emails": [{…}]}}}
// POST /control takes callbacks and faults (PLACE: authorize, token, user, emails) as upstream_openid.mjs does, and
//   {"limited": true}   the API has been asked too often
import { createHash, randomBytes } from "node:crypto";

import { must } from "./program.mjs";
import { APIS } from "./upstream_apis.mjs";
import { escape, loginForm, read, serve, show } from "./upstream_server.mjs";

const api = APIS[process.argv[2]];
must(api, "usage: upstream_api.mjs github|discord|facebook|oauth2");

const random = () => randomBytes(20).toString("hex");

/** Answers with JSON. */
function json(response, status, body, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", ...headers });
  response.end(JSON.stringify(body));
}

/** Where the browser comes from and goes back to. */
async function authorize({ request, response, url, settings, state, codes }) {
  const asked = request.method === "POST" ? new URLSearchParams(await read(request)) : url.searchParams;
  const { client_id: client, redirect_uri: back, state: nonce, scope = "", code_challenge: challenge } =
    Object.fromEntries(asked);
  if (client !== settings.client.id) return show(response, 404, "There is no such application", "");
  if (!state.callbacks.includes(back)) {
    return show(response, 400, "This request is refused", `<p role="alert">redirect_uri ${escape(back)}</p>`);
  }
  if (asked.has("code_challenge") && asked.get("code_challenge_method") !== "S256") {
    return show(response, 400, "This request is refused", '<p role="alert">code_challenge_method</p>');
  }
  const hidden = Object.fromEntries([...asked].filter(([name]) => name !== "account" && name !== "cancel"));
  if (request.method !== "POST") {
    return show(response, 200, "Authorize", loginForm(url.pathname, hidden));
  }
  const to = new URL(back);
  if (asked.has("cancel")) {
    for (const [name, value] of Object.entries(api.denied)) to.searchParams.set(name, value);
  } else {
    const account = state.accounts[asked.get("account")];
    if (!account) return show(response, 400, "Nobody is called so", loginForm(url.pathname, hidden));
    const code = random();
    codes.set(code, { account: asked.get("account"), back, challenge, scopes: scope.split(/[ ,]+/).filter(Boolean) });
    to.searchParams.set("code", code);
  }
  if (nonce !== undefined) to.searchParams.set("state", nonce);
  response.writeHead(302, { Location: to.href }).end();
}

/** Why a token request is refused, by the names in the API's table; `null` if it is not. */
function refusal({ form, client, settings, code }) {
  if (client.id !== settings.client.id || client.secret !== settings.client.secret) return "client";
  if (!code) return "code";
  if (form.get("redirect_uri") !== code.back) return "redirect";
  if (code.challenge) {
    const verifier = createHash("sha256").update(form.get("code_verifier") ?? "").digest("base64url");
    if (verifier !== code.challenge) return "code";
  }
  return null;
}

/** The token endpoint. */
async function token({ request, response, settings, codes, refreshes, tokens }) {
  const form = new URLSearchParams(await read(request));
  const client = { id: form.get("client_id"), secret: form.get("client_secret") };
  const basic = request.headers.authorization?.match(/^Basic (.*)$/i)?.[1];
  if (basic && api.takesBasic) {
    // Both as in a form (RFC 6749 §2.3.1).
    const parts = Buffer.from(basic, "base64").toString().split(":");
    [client.id, client.secret] = parts.map((part) => decodeURIComponent(part.replaceAll("+", " ")));
  }
  const refreshing = api.refreshes && form.get("grant_type") === "refresh_token";
  const store = refreshing ? refreshes : codes;
  const given = form.get(refreshing ? "refresh_token" : "code");
  const found = store.get(given);
  const why = refusal({ form, client, settings, code: refreshing && found ? { back: form.get("redirect_uri") } : found });
  const answer = (status, body) => {
    if (!api.answersInForms || /\bjson\b/.test(request.headers.accept ?? "")) return json(response, status, body);
    response.writeHead(status, { "Content-Type": "application/x-www-form-urlencoded; charset=utf-8" });
    return response.end(new URLSearchParams(body).toString());
  };
  if (why) return answer(...api.refusals[why]);
  store.delete(given);
  const made = { access: `${api.prefix}${random()}`, refresh: random() };
  const { account, scopes } = found;
  tokens.set(made.access, { account, scopes });
  if (api.refreshes) refreshes.set(made.refresh, { account, scopes });
  return answer(200, api.granted(made, scopes));
}

/** The API, for whoever has an access token. */
function resource({ request, response, url, state, tokens }, show) {
  const bearer = request.headers.authorization?.match(/^(?:Bearer|token) (.+)$/i)?.[1] ??
    (api.takesQuery ? url.searchParams.get("access_token") : undefined);
  if (api.wantsUserAgent && !request.headers["user-agent"]) {
    return json(response, 403, { message: "Request forbidden by administrative rules. Please make sure your request " +
      "has a User-Agent header." });
  }
  if (state.limited) return json(response, ...api.limited());
  const found = tokens.get(bearer);
  if (!found) return json(response, ...api.unauthorized);
  const told = show(state.accounts[found.account], found.scopes, url.searchParams);
  return told ? json(response, 200, told, api.headers?.(found.scopes)) : json(response, ...api.notFound);
}

await serve(api.places, ({ settings, state }) => {
  const context = { settings, state, codes: new Map(), refreshes: new Map(), tokens: new Map() };
  return (request, response) => {
    const url = new URL(request.url, "http://upstream");
    const all = { ...context, request, response, url };
    const place = api.places[url.pathname];
    if (place === "authorize") return authorize(all);
    if (place === "token" && request.method === "POST") return token(all);
    if (api.shows[place] && request.method === "GET") return resource(all, api.shows[place]);
    return json(response, ...api.notFound);
  };
});
