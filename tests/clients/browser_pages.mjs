// A real browser goes through the hosted pages for a third-party application, whose pages stand on another
// site: with script and without, back by address and by form. Fails on whatever the browser reports, on any
// violation of a content security policy, and on pages wider than a phone.
//
// ISSUER CLIENT_ID EMAIL PASSWORD PORT: where the application answers, as http://localhost:PORT/callback
// [SCOPE="openid profile email"] [RESOURCE] [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { createServer } from "node:http";

import { must, program, setting } from "./program.mjs";
import { launch, observe } from "./chromium.mjs";

const PKCE = "E9Melhoa2OwvFrEMTJguCHaoeGpzpbF7XhDzjOxJrPg"; // the challenge of RFC 7636 Appendix B
const FORM_POST = { response_mode: "form_post" };

await program(async (step) => {
  const issuer = setting("ISSUER");
  const [email, password] = [setting("EMAIL"), setting("PASSWORD")];
  const [scope, resource] = [setting("SCOPE", "openid profile email"), setting("RESOURCE", "")];
  const port = setting("PORT");
  const application = `http://localhost:${port}`;
  const request = {
    client_id: setting("CLIENT_ID"), redirect_uri: `${application}/callback`, response_type: "code", scope,
    ...(resource && { resource }), code_challenge: PKCE, code_challenge_method: "S256",
  };
  const authorize = (more = {}) => `${issuer}/oauth2/authorize?${new URLSearchParams({ ...request, ...more })}`;

  // What came back to the application: by which method, with which parameters.
  const arrivals = [];
  const server = createServer(async (incoming, response) => {
    const url = new URL(incoming.url, application);
    const body = (await incoming.toArray()).join("");
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    if (url.pathname === "/callback") {
      arrivals.push({ method: incoming.method, ...Object.fromEntries(new URLSearchParams(body || url.search)) });
      response.end('<!doctype html><link rel="icon" href="data:,"><p id="arrived">Back at the application');
    } else if (url.pathname === "/start") {
      // OpenID Connect Core §3.1.2.1: the request may be a form, too, and comes from another site then.
      const fields = Object.entries({ ...request, state: "posted" })
        .map(([name, value]) => `<input type="hidden" name="${name}" value="${value}">`);
      response.end(`<!doctype html><link rel="icon" href="data:,">
        <form method="post" action="${issuer}/oauth2/authorize">${fields.join("")}<button>Sign in</button></form>`);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise((done) => server.listen(port, "localhost", done));

  const browser = await launch();
  let current;
  try {
    /** Somebody's browser, with cookies of its own. */
    const open = async (kind, options = {}) => {
      const context = await browser.newContext(options);
      const seen = await observe(context, `${kind}-`);
      const form = seen.page.locator("form").first();
      const submit = form.locator('button:not([type="button"])').first();
      current = seen;
      return {
        ...seen,
        context,
        submit,
        type: async (fields) => {
          for (const [field, value] of Object.entries(fields)) await form.locator(`[name="${field}"]`).fill(value);
        },
        /** Waits until the application has its answer, and returns it. */
        arrived: async () => {
          await seen.page.locator("#arrived").waitFor();
          return arrivals.pop();
        },
      };
    };
    const isAnswer = (arrival, method, state) => {
      must(arrival.method === method && arrival.state === state, JSON.stringify(arrival));
      must(arrival.code?.startsWith("signet_ac_") && arrival.iss === issuer, JSON.stringify(arrival));
    };

    step("a newcomer with script");
    const ada = await open("script");
    await ada.page.goto(authorize({ state: "one", prompt: "create" }));
    await ada.look("signup");
    await ada.type({ name: "Ada Lovelace", email, password: "password" });
    await ada.submit.click();
    await ada.page.locator('[role="alert"]').first().waitFor();
    await ada.look("signup-weak", 422);
    await ada.type({ password });
    await ada.submit.click();
    await ada.page.locator('[name="decision"]').first().waitFor();
    await ada.look("consent");
    await ada.submit.click();
    isAnswer(await ada.arrived(), "GET", "one");

    step("a form as the answer");
    await ada.page.goto(authorize({ ...FORM_POST, state: "two" }));
    isAnswer(await ada.arrived(), "POST", "two");

    step("a form as the request");
    await ada.page.goto(`${application}/start`);
    await ada.page.locator("button").click();
    isAnswer(await ada.arrived(), "GET", "posted");

    step("consent denied");
    await ada.page.goto(authorize({ state: "three", prompt: "consent" }));
    await ada.page.locator('[name="decision"][value="deny"]').click();
    const denied = await ada.arrived();
    must(denied.error === "access_denied" && denied.state === "three", JSON.stringify(denied));

    step("a user without script");
    const bob = await open("plain", { javaScriptEnabled: false });
    await bob.page.goto(authorize({ state: "four" }));
    await bob.look("login");
    await bob.type({ email, password: "not the password" });
    await bob.submit.click();
    await bob.page.locator('[role="alert"]').first().waitFor();
    await bob.look("login-wrong", 422);
    must((await bob.page.locator('[name="email"]').inputValue()) === email, "what was typed is lost");
    await bob.type({ password });
    await bob.submit.click();
    isAnswer(await bob.arrived(), "GET", "four");
    await bob.page.goto(authorize({ state: "five", prompt: "consent" }));
    await bob.look("consent");
    await bob.submit.click();
    isAnswer(await bob.arrived(), "GET", "five");
    await bob.page.goto(authorize({ ...FORM_POST, state: "six" }));
    await bob.look("form-post");
    await bob.submit.click();
    isAnswer(await bob.arrived(), "POST", "six");

    step("the account");
    await bob.page.goto(`${issuer}/account`);
    must((await bob.page.locator(".sessions > li").count()) === 2, "the account does not show two browsers");
    must((await bob.page.locator(".sessions > li").first().textContent()).includes("This browser"), "another is first");
    await bob.look("account");
    await bob.page.getByRole("button", { name: "End session" }).click();
    await bob.page.getByRole("button", { name: "End session" }).waitFor({ state: "detached" });
    must((await bob.page.locator(".sessions > li").count()) === 1, "the account shows another number of browsers");
    await bob.look("account-alone");

    step("logout");
    await bob.page.goto(`${issuer}/oauth2/logout?client_id=${encodeURIComponent(request.client_id)}`);
    await bob.look("logout");
    await bob.submit.click();
    await bob.page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await bob.look("logged-out");
    await ada.page.goto(`${issuer}/account`);
    await ada.page.locator('[name="password"]').waitFor();
    await ada.look("login-without-application");

    step("errors");
    current = ada;
    for (const [title, address, status] of [
      ["error-client", authorize({ client_id: "nobody" }), 400],
      ["error-redirect", authorize({ redirect_uri: "https://evil.example/" }), 400],
      ["error-nothing", `${issuer}/nothing`, 404],
    ]) {
      must((await ada.page.goto(address)).status() === status, `${title} is no ${status}`);
      await ada.look(title, status);
    }
    step("too many attempts");
    await ada.page.goto(`${issuer}/login`);
    for (let status = 200, tries = 0; status !== 429; tries++) {
      must(tries < 30, "nothing holds one back who guesses");
      await ada.type({ email: "guess@example.org", password: `guess ${tries}` });
      const answer = ada.page.waitForResponse((it) => it.request().method() === "POST");
      await ada.submit.click();
      status = (await answer).status();
      await ada.page.waitForLoadState();
    }
    await ada.look("busy", 429);

    step("documents");
    for (const path of ["/.well-known/openid-configuration", "/.well-known/jwks.json", "/favicon.ico"]) {
      must((await ada.page.goto(issuer + path)).status() === 200, `${path} does not answer`);
    }

    step("errors of the browser");
    for (const seen of [ada, bob]) must(seen.errors.length === 0, seen.errors.join(" | "));
    return { arrivals: 7 - arrivals.length };
  } catch (error) {
    throw new Error([error.message.split("\n")[0], ...(current ? await current.state() : [])].join(" | "));
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
});
