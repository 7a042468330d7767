// jose verifies a stream of access tokens, with createRemoteJWKSet's cache.
//
// ISSUER AUDIENCE MAX_AGE (seconds)
import { createRemoteJWKSet, jwtVerify } from "jose";

import { setting } from "./program.mjs";
import { stream } from "./stream.mjs";

const issuer = setting("ISSUER");
const audience = setting("AUDIENCE");
// Its cache knows no Cache-Control. The cool-down after a fetch stays the 30 seconds that it is: a `kid` that is not
// in the cache fails.
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), {
  cacheMaxAge: Number(setting("MAX_AGE")) * 1000,
});

await stream(async (token) => {
  const verified = await jwtVerify(token, keys, { algorithms: ["EdDSA"], typ: "at+jwt", issuer, audience });
  return verified.protectedHeader;
});
