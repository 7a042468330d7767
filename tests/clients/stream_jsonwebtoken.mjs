// jsonwebtoken verifies a stream of access tokens, with the cache of jwks-rsa.
//
// ISSUER AUDIENCE MAX_AGE (seconds)
import jwt from "jsonwebtoken";
import jwksRsa from "jwks-rsa";

import { setting } from "./program.mjs";
import { stream } from "./stream.mjs";

const issuer = setting("ISSUER");
const audience = setting("AUDIENCE");
// It caches key by key, and asks for what it does not have: whoever never asks in vain meets no unknown `kid`.
const keys = jwksRsa({
  jwksUri: `${issuer}/.well-known/jwks.json`,
  cache: true,
  cacheMaxAge: Number(setting("MAX_AGE")) * 1000,
});

await stream(async (token) => {
  const { header } = jwt.decode(token, { complete: true });
  const key = await keys.getSigningKey(header.kid);
  jwt.verify(token, key.getPublicKey(), { algorithms: ["RS256"], issuer, audience });
  return header;
});
