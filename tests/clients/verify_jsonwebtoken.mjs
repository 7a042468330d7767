// jsonwebtoken verifies the token on standard input, with the key of its kid out of a view of the JWKS.
//
// ISSUER AUDIENCE ALG; [TYP] is at+jwt unless told.
import { createPublicKey } from "node:crypto";

import jsonwebtoken from "jsonwebtoken";

import { must, program, setting } from "./program.mjs";

await program(async (step) => {
  const [issuer, algorithm] = [setting("ISSUER"), setting("ALG")];
  step("read");
  process.stdin.setEncoding("utf8");
  const token = (await process.stdin.toArray()).join("").trim();
  step("keys");
  const view = await fetch(`${issuer}/.well-known/jwks.json?alg=${algorithm}`);
  must(view.ok, `${view.status}`);
  const { keys } = await view.json();
  step("verify");
  const { kid } = jsonwebtoken.decode(token, { complete: true }).header;
  const jwk = keys.find((key) => key.kid === kid);
  must(jwk, "no key has its kid");
  const options = { algorithms: [algorithm], issuer, audience: setting("AUDIENCE"), complete: true };
  const { payload, header } = jsonwebtoken.verify(token, createPublicKey({ key: jwk, format: "jwk" }), options);
  must(header.typ === setting("TYP", "at+jwt"), `not such a token: ${header.typ}`);
  must(payload.exp && payload.sub, "exp or sub is missing");
  return { header, claims: payload };
});
