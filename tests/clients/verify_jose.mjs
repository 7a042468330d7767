// jose's createRemoteJWKSet verifies the access token on standard input.
//
// ISSUER AUDIENCE
import { createRemoteJWKSet, jwtVerify } from "jose";

import { program, setting } from "./program.mjs";

await program(async (step) => {
  const issuer = setting("ISSUER");
  step("read");
  process.stdin.setEncoding("utf8");
  const token = (await process.stdin.toArray()).join("").trim();
  step("verify");
  const { payload, protectedHeader } = await jwtVerify(
    token,
    createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`)),
    { algorithms: ["EdDSA"], typ: "at+jwt", issuer, audience: setting("AUDIENCE"), requiredClaims: ["exp", "sub"] },
  );
  return { header: protectedHeader, claims: payload };
});
