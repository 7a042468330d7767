// An API that takes Signet's access tokens, and knows nothing of Signet but its issuer's name. With --check-status it
// also refuses tokens that were revoked, whose user was disabled, and so on.
import { inflateSync } from "node:zlib";

import express from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, PORT = "3000" } = process.env;
if (!ISSUER || !AUDIENCE) throw new Error("set ISSUER and AUDIENCE");
const checkStatus = process.argv.includes("--check-status");

// Keeps the keys for five minutes; fetches anew when a token names a key that it lacks, at most twice a minute.
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), { cacheMaxAge: 300_000 });

/** RFC 6750 §3: a request without a token learns no error code, only what to bring. */
function refuse(response, status, error, more = {}) {
  const fields = { realm: "notes", ...(error && { error }), ...more };
  const challenge = Object.entries(fields).map(([name, value]) => `${name}="${value}"`).join(", ");
  response.status(status).set("WWW-Authenticate", `Bearer ${challenge}`).json({ error: error ?? "unauthorized" });
}

/** Lets a request through whose token was given `scope`; its claims are then `request.token`. */
function accessToken(scope) {
  return async (request, response, next) => {
    const [, token] = /^Bearer +(\S+)$/i.exec(request.get("Authorization") ?? "") ?? [];
    if (!token) return refuse(response, 401);
    let payload;
    try {
      ({ payload } = await jwtVerify(token, keys, {
        algorithms: ["EdDSA"], // ours to say, never the token's
        typ: "at+jwt", // an ID token is signed by the same key: only the type tells the two apart (RFC 9068 §4)
        issuer: ISSUER,
        audience: AUDIENCE,
        clockTolerance: 30, // seconds
        requiredClaims: ["iss", "aud", "exp", "sub", ...(checkStatus ? ["status"] : [])],
      }));
    } catch (error) {
      // Of jose's errors these are the issuer's or the network's; all others are the token's.
      const outage = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid
        || !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
      if (!outage) return refuse(response, 401, "invalid_token");
      return response.status(503).set("Retry-After", "5").json({ error: "the issuer's keys are out of reach" });
    }
    if (checkStatus && (await isRevoked(payload.status.status_list))) {
      return refuse(response, 401, "invalid_token");
    }
    if (!String(payload.scope ?? "").split(" ").includes(scope)) {
      return refuse(response, 403, "insufficient_scope", { scope });
    }
    request.token = payload;
    next();
  };
}

const lists = new Map(); // by address: { askAt, overAt, bits }, times in milliseconds

/** What the status list says that a token names (draft-ietf-oauth-status-list §8.3). Fails open. */
async function isRevoked({ idx, uri }) {
  let list = lists.get(uri) ?? { askAt: 0, overAt: 0 };
  if (Date.now() >= list.askAt) {
    try {
      const answer = await fetch(uri, { redirect: "error", signal: AbortSignal.timeout(5_000) });
      if (!answer.ok) throw new Error(`the status list answers ${answer.status}`);
      const { payload } = await jwtVerify(await answer.text(), keys, {
        algorithms: ["EdDSA"], typ: "statuslist+jwt", issuer: ISSUER, subject: uri, clockTolerance: 30,
        requiredClaims: ["sub", "exp", "ttl", "status_list"],
      });
      const bits = inflateSync(Buffer.from(payload.status_list.lst, "base64url"));
      list = { askAt: Date.now() + payload.ttl * 1000, overAt: payload.exp * 1000, bits };
    } catch (error) {
      // The last list is good until its `exp`. Without one we go on by the token's own `exp`, and say so.
      console.error(`revoked tokens may pass: ${error.message}`);
      list = { ...list, askAt: Date.now() + 5_000 };
    }
    lists.set(uri, list);
  }
  return Date.now() < list.overAt && (idx >> 3 >= list.bits.length || ((list.bits[idx >> 3] >> (idx & 7)) & 1) === 1);
}

const app = express();
app.get("/notes", accessToken("notes:read"), (request, response) => {
  response.json({ sub: request.token.sub, client_id: request.token.client_id, notes: ["Buy milk"] });
});
app.listen(Number(PORT), "127.0.0.1");
