// A front end that was written for Better Auth, with React and the unmodified client, in a real browser: it stands on
// another origin, and its `useSession` follows whatever happens.
//
// ISSUER MAILBOX PORT: where the front end answers, as http://localhost:PORT
// [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { createServer } from "node:http";

import { build } from "esbuild";

import { launch, observe } from "./chromium.mjs";
import { mails, must, program, setting } from "./program.mjs";

const PASSWORDS = ["correct-horse battery staple 7", "wooden-spoon lantern meadow 9"];

const APPLICATION = `
  import { createElement as h } from "react";
  import { createRoot } from "react-dom/client";
  import { createAuthClient } from "better-auth/react";
  import { emailOTPClient, jwtClient, magicLinkClient } from "better-auth/client/plugins";

  const auth = createAuthClient({ baseURL: ISSUER, plugins: [jwtClient(), magicLinkClient(), emailOTPClient()] });
  window.auth = auth;
  function Who() {
    const { data, isPending, error } = auth.useSession();
    const text = isPending ? "…" : error ? "error " + error.status : data ? data.user.email : "nobody";
    return h("p", { id: "who", "data-verified": String(data?.user.emailVerified ?? false) }, text);
  }
  createRoot(document.getElementById("root")).render(h(Who));
`;

await program(async (step) => {
  const [issuer, port] = [setting("ISSUER"), setting("PORT")];
  const application = `http://localhost:${port}`;
  const mailed = mails(setting("MAILBOX"));

  step("build the front end");
  const bundle = await build({
    stdin: { contents: APPLICATION, resolveDir: import.meta.dirname, loader: "js" },
    bundle: true, write: false, format: "esm", logLevel: "silent",
    define: { ISSUER: JSON.stringify(issuer), "process.env.NODE_ENV": '"production"' },
  });
  const server = createServer((incoming, response) => {
    const isScript = incoming.url === "/application.js";
    response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html; charset=utf-8");
    response.end(isScript ? bundle.outputFiles[0].contents : `<!doctype html><link rel="icon" href="data:,">
      <title>Front end</title><div id="root"></div><script type="module" src="/application.js"></script>`);
  });
  await new Promise((done) => server.listen(port, "localhost", done));

  const browser = await launch();
  const seen = await observe(await browser.newContext(), "react-");
  try {
    const { page } = seen;
    /** Calls the client in the page; what it answers, which must be no error. */
    const call = async (path, ...args) => {
      const { data, error } = await page.evaluate(async ([path, args]) => {
        const { data, error } = await path.reduce((client, name) => client[name], window.auth)(...args);
        return { data, error };
      }, [path.split("."), args]);
      must(!error, `${path}: ${JSON.stringify(error)}`);
      return data;
    };
    const shows = (text) => page.locator("#who", { hasText: text }).waitFor();
    let email = "ada@example.org";

    step("nobody is there");
    await page.goto(application);
    await shows("nobody");

    step("sign up");
    await call("signUp.email", { name: "Ada", email, password: PASSWORDS[0], callbackURL: `${application}/welcome` });
    await shows(email);

    step("verify the address by the mailed link");
    await page.goto(await mailed(email, /\S+\/verify-email\?\S+/));
    await page.waitForURL(`${application}/welcome`);
    await page.locator('#who[data-verified="true"]').waitFor();

    step("sign out and in");
    await call("signOut");
    await shows("nobody");
    await call("signIn.email", { email, password: PASSWORDS[0] });
    await shows(email);
    const { token } = await call("token");

    step("sessions");
    must((await call("listSessions")).length === 1, "one session");
    await call("revokeOtherSessions");

    step("change the password");
    await call("changePassword",
      { currentPassword: PASSWORDS[0], newPassword: PASSWORDS[1], revokeOtherSessions: true });
    await page.reload();
    await shows(email);

    step("change the address");
    const next = "countess@example.org";
    await call("changeEmail", { newEmail: next, callbackURL: `${application}/moved` });
    await page.goto(await mailed(email, /\S+\/verify-email\?\S+/));
    await page.waitForURL(`${application}/moved`);
    await page.goto(await mailed(next, /\S+\/verify-email\?\S+/));
    await page.waitForURL(`${application}/moved`);
    await shows(next);
    email = next;

    step("sign in by a mailed link");
    await call("signOut");
    await call("signIn.magicLink", { email, callbackURL: `${application}/welcome` });
    await page.goto(await mailed(email, /\S+\/magic-link\/verify\?\S+/));
    await page.waitForURL(`${application}/welcome`);
    await shows(email);

    step("sign in by a mailed code");
    await call("signOut");
    await shows("nobody");
    await call("emailOtp.sendVerificationOtp", { email, type: "sign-in" });
    await call("signIn.emailOtp", { email, otp: await mailed(email, /\b[0-9]{6}\b/) });
    await shows(email);

    step("reset the password");
    await call("requestPasswordReset", { email, redirectTo: `${application}/reset` });
    await page.goto(await mailed(email, /\S+\/reset-password\/\S+/));
    await page.waitForURL(`${application}/reset?token=*`);
    const reset = new URL(page.url()).searchParams.get("token");
    await call("resetPassword", { newPassword: PASSWORDS[0], token: reset });
    await page.reload();
    await shows("nobody");
    await call("signIn.email", { email, password: PASSWORDS[0] });
    await shows(email);

    step("delete the account");
    await call("deleteUser", { password: PASSWORDS[0] });
    await shows("nobody");
    must(seen.errors.length === 0, seen.errors.join("; "));
    return { token };
  } catch (error) {
    throw new Error(`${error.message.split("\n")[0]} [${(await seen.state()).join("; ")}]`);
  } finally {
    await browser.close();
    server.close();
  }
});
