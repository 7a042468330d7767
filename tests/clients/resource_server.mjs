// Judges an API that takes Signet's access tokens: shows it good and bad ones, and looks at its answers.
//
// resource_server.mjs URL, where URL is what GET needs the scope for; on standard input
//   {"good": TOKEN, "no_scope": TOKEN, "refused": {"why it must be": TOKEN, …}}
// What needs no key of the issuer is forged here, from the good token.
import { createServer } from "node:http";

import { CompactSign, SignJWT, exportJWK, exportSPKI, generateKeyPair, importJWK } from "jose";

import { must, program, setting } from "./program.mjs";

const encode = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
const decode = (part) => JSON.parse(Buffer.from(part, "base64url"));

/** Tokens that nobody may believe, by what is wrong with them. */
async function forgeries(good, jwks, ownKeysUrl, own) {
  const [header, payload, signature] = good.split(".");
  const { kid } = decode(header);
  const claims = decode(payload);
  const signed = (key, fields) => new SignJWT(claims).setProtectedHeader({ typ: "at+jwt", ...fields }).sign(key);
  const jwk = jwks.keys.find((key) => key.kid === kid);
  must(jwk, "the issuer does not publish the key of the good token");
  const pem = await exportSPKI(await importJWK(jwk, "EdDSA"));
  const hmac = (secret) =>
    new CompactSign(Buffer.from(payload, "base64url")).setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid }).sign(secret);
  const changed = encode({ ...claims, sub: "somebody-else" });
  // A bit, not a character: the character put in may be the one that stood there.
  const flipped = Buffer.from(signature, "base64url");
  flipped[0] ^= 1;
  return {
    "alg none": `${encode({ alg: "none", typ: "at+jwt", kid })}.${payload}.`,
    "alg NoNe, signature kept": `${encode({ alg: "NoNe", typ: "at+jwt", kid })}.${payload}.${signature}`,
    "an unknown key": await signed(own.privateKey, { alg: "EdDSA", kid: own.jwk.kid }),
    "an unknown key under the issuer's kid": await signed(own.privateKey, { alg: "EdDSA", kid }),
    "an unknown key, no kid": await signed(own.privateKey, { alg: "EdDSA" }),
    "a key that the token brings": await signed(own.privateKey, { alg: "EdDSA", kid: own.jwk.kid, jwk: own.jwk }),
    "a key that the token points to": await signed(own.privateKey, { alg: "EdDSA", kid: own.jwk.kid, jku: ownKeysUrl }),
    "HMAC under the public key's bytes": await hmac(Buffer.from(jwk.x, "base64url")),
    "HMAC under the public key's PEM": await hmac(Buffer.from(pem)),
    "claims changed": `${header}.${changed}.${signature}`,
    "signature changed": `${header}.${payload}.${flipped.toString("base64url")}`,
    "signature missing": `${header}.${payload}.`,
    "no JWT": "signet_rt_nonsense",
    "no JSON": `${encode("{")}.${encode("}")}.${signature}`,
  };
}

/** The answer of the API; it may still be starting. */
async function ask(url, headers) {
  for (const start = Date.now(); ; await new Promise((done) => setTimeout(done, 50))) {
    try {
      const response = await fetch(url, { headers, redirect: "manual" });
      return { status: response.status, challenge: response.headers.get("www-authenticate") ?? "", body: await response.text() };
    } catch (error) {
      if (Date.now() - start > 20_000) throw error;
    }
  }
}

await program(async (step) => {
  const url = process.argv[2];
  must(url, "usage: resource_server.mjs URL");
  process.stdin.setEncoding("utf8");
  const { good, no_scope: noScope, refused } = JSON.parse((await process.stdin.toArray()).join(""));
  const bearer = (token) => ask(url, { Authorization: `Bearer ${token}` });
  const told = ({ status, challenge, body }) => `${status}, WWW-Authenticate: ${challenge}, ${body.slice(0, 200)}`;
  const accepts = async () => {
    const answer = await bearer(good);
    must(answer.status === 200, told(answer));
    must(JSON.parse(answer.body).sub === JSON.parse(Buffer.from(good.split(".")[1], "base64url")).sub, answer.body);
  };

  // Keys of ours, where only a verifier that believes a token's own `jku` would look.
  const { publicKey, privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const own = { privateKey, jwk: { ...(await exportJWK(publicKey)), kid: "ours", alg: "EdDSA", use: "sig" } };
  let lured = 0;
  const server = createServer((_, response) => {
    lured += 1;
    response.setHeader("Content-Type", "application/json").end(JSON.stringify({ keys: [own.jwk] }));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    const jwks = await (await fetch(`${setting("ISSUER")}/.well-known/jwks.json`)).json();
    const forged = await forgeries(good, jwks, `http://127.0.0.1:${server.address().port}/jwks`, own);

    step("a good token");
    await accepts();

    step("no token");
    for (const headers of [{}, { Authorization: "Basic dTpw" }]) {
      const answer = await ask(url, headers);
      must(answer.status === 401 && /^Bearer\b/i.test(answer.challenge), told(answer));
      must(!/error=/.test(answer.challenge), `RFC 6750 §3.1 wants no error code here: ${told(answer)}`);
    }
    step("a token in the query");
    const query = await ask(`${url}?access_token=${good}`, {});
    must(query.status === 401, told(query));

    step("a token without the scope");
    const scopeless = await bearer(noScope);
    must(scopeless.status === 403 && /error="?insufficient_scope/.test(scopeless.challenge), told(scopeless));

    for (const [why, token] of Object.entries({ ...refused, ...forged })) {
      step(why);
      must(token !== good, "this is the good token");
      const answer = await bearer(token);
      must(answer.status === 401, told(answer));
      must(/^Bearer\b.*error="?invalid_token/i.test(answer.challenge), told(answer));
    }
    step("keys from a stranger");
    must(lured === 0, "the API fetched keys from where a token told it to");

    step("the good token again");
    await accepts();
  } finally {
    server.close();
  }
});
