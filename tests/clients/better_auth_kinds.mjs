// The unmodified Better Auth client comes by every kind of provider: signs up, and from a fresh browser signs in again as
// the same user; an API believes its JWT by the published keys.
//
// ISSUER, and PROVIDERS: [{"id", "email": that of `ada` there}]; PASSWORD is hers where a provider asks for one
import { jwtClient } from "better-auth/client/plugins";
import { createRemoteJWKSet, jwtVerify } from "jose";

import { browser, data } from "./better_auth_browser.mjs";
import { must, program, setting } from "./program.mjs";
import { UserAgent } from "./user_agent.mjs";

await program(async (step) => {
  const issuer = setting("ISSUER");
  const keys = createRemoteJWKSet(new URL(`${issuer}/api/auth/jwks`));
  const urls = { callbackURL: "/in", newUserCallbackURL: "/welcome", errorCallbackURL: "/failed" };

  /** Comes by a provider in a fresh browser: where it arrives, and who it is by its session and by its JWT. */
  const comes = async ({ id, email }) => {
    const { client, open } = browser(issuer, [jwtClient()]);
    const { url, redirect } = await data(client.signIn.social({ provider: id, ...urls }));
    must(redirect === true, "the page is sent there");
    const there = new UserAgent({ account: "ada", email, password: setting("PASSWORD") });
    const back = await there.reach(url, new URL(`${issuer}/api/auth/callback/${id}`));
    let to = back.url;
    if (back.method === "POST") {
      // A form from another site: no cookie that is Lax goes along (Apple's answers).
      const origin = back.page.origin;
      const answer = await fetch(to, { method: "POST", body: back.sent, headers: { origin }, redirect: "manual" });
      must(answer.status === 303, `the form is answered by ${answer.status}`);
      to = new URL(answer.headers.get("location"), to);
    }
    const answer = await open(to.href);
    must(answer.status === 302, `the callback answers ${answer.status}`);
    const { pathname: path, search } = new URL(answer.headers.get("location"), issuer);
    must(path !== "/failed", `it is sent to ${path}${search}`);
    const { user } = await data(client.getSession());
    const { payload } = await jwtVerify((await data(client.token())).token, keys, { issuer, audience: issuer });
    must(payload.sub === user.id && user.email === email, `${payload.sub}: ${JSON.stringify(user)}`);
    return { path, id: user.id };
  };

  for (const provider of JSON.parse(setting("PROVIDERS"))) {
    step(`sign up by ${provider.id}`);
    const first = await comes(provider);
    must(first.path === "/welcome", `it arrives at ${first.path}`);
    step(`sign in by ${provider.id}`);
    const again = await comes(provider);
    must(again.path === "/in" && again.id === first.id, `${again.path}: ${again.id} for ${first.id}`);
  }
  return {};
});
