// Every kind of provider in a real browser, for a third-party application: somebody signs up by each from the login page
// of a pending request and, in a fresh browser, signs in again; confirms the address by mail where the provider's word for
// it is worth nothing; connects, disconnects and joins; and is told what is the matter where something is.
//
// ISSUER MAILBOX CLIENT_ID RESOURCE PORT: where the application answers, as http://localhost:PORT/callback
// PROVIDERS: [{"label", "control": where it is told to fail, or null, "is": "signet" if it is one of ours,
//   "email": that of `ada` there, "vouched": whether the address needs no proof}]
// At GitLab and Microsoft `other` has an account too, at Campus `twin` with the address of Discord's `ada`, and at
// Facebook `shy` without any.
// [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { launch, observe } from "./chromium.mjs";
import { mails, must, program, setting } from "./program.mjs";
import { application } from "./third_party_application.mjs";
import { logInThere } from "./upstream_visitor.mjs";

const AT_ONCE = 3;
const PASSWORD = setting("PASSWORD");

await program(async (step) => {
  const issuer = setting("ISSUER");
  const mailed = mails(setting("MAILBOX"));
  const providers = JSON.parse(setting("PROVIDERS"));
  const provider = (label) => providers.find((known) => known.label === label);
  const { authorize, arrived, close } = await application({
    issuer, clientId: setting("CLIENT_ID"), resource: setting("RESOURCE"), port: setting("PORT"),
  });
  const browser = await launch();

  /** Does `walk` in a browser of its own; what fails says where, and what there was to see. */
  const visit = async (name, walk) => {
    const context = await browser.newContext();
    context.setDefaultTimeout(20_000);
    const seen = await observe(context, `kinds-${name.toLowerCase().replaceAll(/\W+/g, "-")}-`);
    const { page } = seen;
    let doing = "start";
    const visitor = {
      ...seen,
      now: (what) => (doing = what),
      press: (button) => page.getByRole("button", { name: button, exact: true }).click(),
      reads: (text) => page.getByText(text).first().waitFor(),
      isAt: (heading) => page.getByRole("heading", { name: heading, exact: true }).waitFor(),
      alert: async (text) => {
        await page.getByRole("alert").waitFor();
        const told = await page.getByRole("alert").textContent();
        must(told.includes(text), told);
      },
      /** Opens the application, which sends the browser to sign in. */
      begin: async (state) => {
        await page.goto(authorize(state));
        await page.getByText("Sign in to continue to Holiday Planner").waitFor();
      },
      /** Presses a provider's button, and says there who it is. */
      goes: async ({ label, is, email }, account = "ada", verb = "Continue with") => {
        await visitor.press(`${verb} ${label}`);
        if (is !== "signet") return logInThere(page, account);
        await page.getByLabel("E-mail address").fill(email);
        await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
        return visitor.press("Sign in");
      },
      /** The same where the provider may still know the browser, or be one that asks each time. */
      goesAgain: async ({ label }, account = "ada") => {
        await visitor.press(`Continue with ${label}`);
        const asked = page.getByLabel("Account");
        await page.locator("#arrived").or(asked).waitFor();
        if (await asked.isVisible()) await logInThere(page, account);
      },
      /** Waits until the application has its answer, and returns what it says. */
      arrived: (state) => arrived(page, state),
      signOut: async () => {
        await page.goto(`${issuer}/account`);
        await visitor.press("Sign out");
        await visitor.isAt("You are signed out");
      },
    };
    try {
      const told = await walk(visitor);
      must(seen.errors.length === 0, "the browser reports errors");
      return told;
    } catch (error) {
      const state = await seen.state();
      throw new Error([`${name}: ${doing}`, error.message.split("\n")[0], ...state].join(" | "));
    } finally {
      await context.close();
    }
  };

  const tell = async ({ control }, what) => {
    const answer = await fetch(control, { method: "POST", body: JSON.stringify(what) });
    must(answer.ok, `${control} answers ${answer.status}`);
  };

  /** Signs up by a provider, confirms the address if need be, and signs in from another browser. */
  const goAllTheWay = async (provider) => {
    const { label, email, vouched } = provider;
    const first = await visit(label, async (visitor) => {
      visitor.now("sign up");
      const state = `${label} first`;
      await visitor.begin(state);
      await visitor.goes(provider);
      if (!vouched) {
        visitor.now("be asked to confirm the address");
        await visitor.reads("Your e-mail address must be confirmed first.");
        await visitor.reads("Sign in to continue to Holiday Planner");
        if (label === "GitHub") await visitor.look("unverified");
        visitor.now("confirm the address");
        await visitor.page.goto(await mailed(email, /\S+\/verify-email\?\S+/));
        await visitor.isAt("Confirm your e-mail address");
        if (label === "GitHub") await visitor.look("confirm");
        await visitor.press("Confirm");
        visitor.now("sign in with the address confirmed");
        await visitor.reads("Your e-mail address is confirmed.");
        await visitor.reads("Sign in to continue to Holiday Planner");
        await visitor.goesAgain(provider);
      }
      visitor.now("arrive after signing up");
      return visitor.arrived(state);
    });
    const again = await visit(label, async (visitor) => {
      visitor.now("sign in from another browser");
      const state = `${label} again`;
      await visitor.begin(state);
      await visitor.goes(provider);
      return visitor.arrived(state);
    });
    for (const { id, access } of [first, again]) {
      must(id.email === email && id.email_verified && id.name === "Ada Lovelace", `${label}: ${JSON.stringify(id)}`);
      must(access.amr[0] === "fed" && access.sub === first.id.sub, `${label}: ${JSON.stringify(access)}`);
    }
    return [label, first.id.sub];
  };

  try {
    step("the pages, and a provider that is down");
    await visit("down", async (visitor) => {
      await visitor.begin("down");
      for (const { label } of providers) {
        const button = visitor.page.getByRole("button", { name: `Continue with ${label}`, exact: true });
        const width = await button.locator("img").evaluate((image) => image.naturalWidth);
        must(width > 0 && (await button.isVisible()), `${label} has no picture`);
      }
      await visitor.look("login");
      await visitor.page.getByRole("link", { name: "Create one" }).click();
      await visitor.isAt("Create an account");
      await visitor.look("signup");
      await visitor.page.getByRole("link", { name: "Sign in" }).click();
      await tell(provider("Microsoft"), { faults: { discovery: "error" } });
      await visitor.press("Continue with Microsoft");
      await visitor.alert("Microsoft does not answer at present.");
      await visitor.look("unavailable");
      await tell(provider("Microsoft"), { faults: {} });
      await visitor.goes(provider("Facebook"), "shy");
      await visitor.alert("Facebook told us no e-mail address of yours");
      await visitor.look("no-address");
    });

    step("every kind, up and in again");
    const waiting = [...providers];
    const known = [];
    const lane = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) known.push(await goAllTheWay(next));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const subjects = Object.fromEntries(known);
    must(new Set(Object.values(subjects)).size === providers.length, "each is a person of its own");

    step("connect two, and sign in by any");
    const [discord, gitlab, microsoft] = ["Discord", "GitLab", "Microsoft"].map(provider);
    await visit("connect", async (visitor) => {
      const { page, now } = visitor;
      /** Signs in for the application by a provider, and returns the subject that it is told. */
      const comesBy = async (by, account, state) => {
        now(state);
        await visitor.begin(state);
        await visitor.goesAgain(by, account);
        return (await visitor.arrived(state)).id.sub;
      };
      must((await comesBy(discord, "ada", "in by Discord")) === subjects.Discord, "it is who it was");
      await page.goto(`${issuer}/account/identities`);
      must((await page.getByRole("button", { name: /^Disconnect/ }).count()) === 0, "the only way in stays");
      await visitor.look("identities-one");
      for (const further of [gitlab, microsoft]) {
        now(`connect ${further.label}`);
        await visitor.goes(further, "other", "Connect");
        await visitor.reads("you can sign in with either");
      }
      await visitor.look("identities-several");
      for (const [by, account] of [[gitlab, "other"], [microsoft, "other"], [discord, "ada"]]) {
        await visitor.signOut();
        const subject = await comesBy(by, account, `in by ${by.label} when all are connected`);
        must(subject === subjects.Discord, `${by.label} opens another account`);
      }
      await page.goto(`${issuer}/account/identities`);
      for (const { label } of [gitlab, microsoft]) {
        now(`disconnect ${label}`);
        await visitor.press(`Disconnect ${label}`);
        await visitor.reads("The provider is disconnected.");
      }
      must((await page.getByRole("button", { name: /^Disconnect/ }).count()) === 0, "the last way in stays");
      await visitor.look("identities-last");
      await visitor.signOut();
      const subject = await comesBy(gitlab, "other", "in by GitLab when it is disconnected");
      must(!Object.values(subjects).includes(subject), "it is a new account");
    });

    step("join an account that has the address");
    const campus = provider("Campus");
    await visit("join", async (visitor) => {
      await visitor.begin("join");
      await visitor.goes(campus, "twin");
      await visitor.alert("There is an account with your e-mail address already.");
      await visitor.look("taken");
      visitor.now("prove the account");
      await visitor.goes(discord);
      await visitor.isAt("Connect Campus?");
      await visitor.look("connect");
      await visitor.press("Connect");
      must((await visitor.arrived("join")).id.sub === subjects.Discord, "it is the account that was there");
    });
    await visit("joined", async (visitor) => {
      await visitor.begin("joined");
      await visitor.goes(campus, "twin");
      must((await visitor.arrived("joined")).id.sub === subjects.Discord, "it opens by the other too");
    });
    return {};
  } finally {
    await browser.close();
    close();
  }
});
