// A third-party application and its API, for programs that drive a real browser: sends people to sign in, waits for them
// to come back, and believes the access token by what the issuer publishes alone.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

import { createRemoteJWKSet, jwtVerify } from "jose";

import { must } from "./program.mjs";

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"; // RFC 7636 Appendix B
const CHALLENGE = createHash("sha256").update(VERIFIER).digest("base64url");

/** One that answers as http://localhost:`port`/callback, and whose API is `resource`. */
export async function application({ issuer, clientId, resource, port }) {
  const request = {
    client_id: clientId, redirect_uri: `http://localhost:${port}/callback`, response_type: "code",
    scope: "openid profile email notes:read", resource, code_challenge: CHALLENGE, code_challenge_method: "S256",
  };
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const arrivals = new Map();
  const server = createServer((incoming, response) => {
    const url = new URL(incoming.url, request.redirect_uri);
    const arrival = Object.fromEntries(url.searchParams);
    if (url.pathname === "/callback") arrivals.set(arrival.state, arrival);
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end('<!doctype html><link rel="icon" href="data:,"><p id="arrived">Back at the application');
  });
  await new Promise((done) => server.listen(port, "localhost", done));

  /** What the API and the application read in what the code is redeemed for. */
  const redeemed = async ({ code }) => {
    const body = new URLSearchParams({
      grant_type: "authorization_code", code, client_id: clientId, redirect_uri: request.redirect_uri,
      code_verifier: VERIFIER, resource,
    });
    const answer = await (await fetch(`${issuer}/oauth2/token`, { method: "POST", body })).json();
    must(answer.access_token, JSON.stringify(answer));
    const expected = { issuer, audience: resource, typ: "at+jwt" };
    const { payload: access } = await jwtVerify(answer.access_token, keys, expected);
    const { payload: id } = await jwtVerify(answer.id_token, keys, { issuer, audience: clientId });
    must(access.sub === id.sub && access.scope.split(" ").includes("notes:read"), JSON.stringify(access));
    return { access, id };
  };

  return {
    /** Where it sends a browser to sign in. */
    authorize: (state) => `${issuer}/oauth2/authorize?${new URLSearchParams({ ...request, state })}`,
    /** Waits until the browser is back with the answer to the request of this `state`, and returns what it says. */
    arrived: async (page, state) => {
      await page.locator("#arrived").waitFor();
      const arrival = arrivals.get(state);
      must(arrivals.delete(state) && arrival.iss === issuer && arrival.code, `${state}: ${JSON.stringify(arrival)}`);
      return redeemed(arrival);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
