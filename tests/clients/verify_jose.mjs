// jose's createRemoteJWKSet verifies the token on standard input.
//
// ISSUER AUDIENCE; [ALG] [TYP] say what it must be, an access token with EdDSA unless told.
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
    {
      algorithms: [setting("ALG", "EdDSA")],
      typ: setting("TYP", "at+jwt"),
      issuer,
      audience: setting("AUDIENCE"),
      requiredClaims: ["exp", "sub"],
    },
  );
  return { header: protectedHeader, claims: payload };
});
