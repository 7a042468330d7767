// An API that takes Signet's access tokens, and knows nothing of Signet but its issuer's name.
import express from "express";
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { ISSUER, AUDIENCE, PORT = "3000" } = process.env;
if (!ISSUER || !AUDIENCE) throw new Error("set ISSUER and AUDIENCE");

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
        requiredClaims: ["iss", "aud", "exp", "sub"],
      }));
    } catch (error) {
      // Of jose's errors these are the issuer's or the network's; all others are the token's.
      const outage = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid
        || !(error instanceof errors.JOSEError) || error.code === "ERR_JOSE_GENERIC";
      if (!outage) return refuse(response, 401, "invalid_token");
      return response.status(503).set("Retry-After", "5").json({ error: "the issuer's keys are out of reach" });
    }
    if (!String(payload.scope ?? "").split(" ").includes(scope)) {
      return refuse(response, 403, "insufficient_scope", { scope });
    }
    request.token = payload;
    next();
  };
}

const app = express();
app.get("/notes", accessToken("notes:read"), (request, response) => {
  response.json({ sub: request.token.sub, client_id: request.token.client_id, notes: ["Buy milk"] });
});
app.listen(Number(PORT), "127.0.0.1");
