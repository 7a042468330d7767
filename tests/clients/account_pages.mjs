// A user without script does everything with an account in a real browser: signs up, proves the address by the mailed
// link, changes password and address, undoes that, resets the password, signs in by mail, and leaves. Fails on whatever
// the browser reports, and on pages wider than a phone.
//
// ISSUER MAILBOX [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { launch, observe } from "./chromium.mjs";
import { mails, must, program, setting } from "./program.mjs";

const PASSWORDS = ["correct-horse battery staple 7", "wooden-spoon lantern meadow 9", "quiet-river copper ladder 4"];

await program(async (step) => {
  const issuer = setting("ISSUER");
  const mailed = mails(setting("MAILBOX"));
  const browser = await launch();
  let current;
  try {
    /** Somebody's browser without script, with cookies of its own. */
    const open = async (name) => {
      const context = await browser.newContext({ javaScriptEnabled: false });
      const seen = await observe(context, `${name}-`);
      current = seen;
      const { page } = seen;
      return {
        ...seen,
        go: (path) => page.goto(path.startsWith("http") ? path : `${issuer}${path}`),
        /** Fills in the form whose action ends so, and sends it by the button of that text, or its first. */
        send: async (action, fields = {}, button = undefined) => {
          const form = page.locator(`form[action*="${action}"]`).first();
          for (const [field, value] of Object.entries(fields)) await form.locator(`[name="${field}"]`).fill(value);
          const buttons = form.locator('button:not([type="button"])');
          await (button ? buttons.filter({ hasText: button }) : buttons).first().click();
          await page.waitForLoadState();
        },
        says: (text) => page.getByText(text).first().waitFor({ timeout: 10_000 }),
      };
    };
    let email = "ada@example.org";
    const ada = await open("ada");

    step("sign up");
    await ada.go("/signup");
    await ada.look("signup");
    await ada.send("/signup", { name: "Ada Lovelace", email, password: PASSWORDS[0] });
    await ada.says("Your account");
    await ada.says("Not confirmed");
    await ada.look("account-unconfirmed");

    step("a stranger opens the mailed link");
    const link = await mailed(email, /\S+\/verify-email\?\S+/);
    const stranger = await open("stranger");
    await stranger.go(link);
    await stranger.says("Did you sign up?");
    await stranger.look("did-you-sign-up");

    step("the browser that signed up opens it");
    current = ada;
    await ada.go(link);
    await ada.says("Confirm your e-mail address");
    await ada.look("confirm");
    await ada.send("/verify-email");
    await ada.go("/account");
    await ada.says("Confirmed");
    await ada.look("account");

    step("name and picture");
    await ada.go("/account/profile");
    await ada.look("profile");
    await ada.send("/account/profile", { name: "Countess of Lovelace" });
    await ada.says("Countess of Lovelace");

    step("change the password");
    await ada.go("/account/password");
    await ada.look("password");
    const fields = await ada.page.locator('form input[type="password"]').evaluateAll((all) => all.map((one) => one.name));
    must(fields.length === 2, fields.join());
    await ada.send("/account/password", { [fields[0]]: "not the password", [fields[1]]: PASSWORDS[1] });
    await ada.page.locator('[role="alert"]').first().waitFor();
    await ada.look("password-wrong", 422);
    await ada.send("/account/password", { [fields[0]]: PASSWORDS[0], [fields[1]]: PASSWORDS[1] });
    await ada.says("Your account");

    step("change the address");
    const next = "countess@example.org";
    await ada.go("/account/email");
    await ada.look("email");
    await ada.send("/account/email", { email: next });
    await ada.look("email-asked");
    await ada.go(await mailed(email, /\S+\/account\/email\/confirm\?\S+/));
    await ada.look("email-confirm");
    await ada.send("/account/email/confirm");
    await ada.go(await mailed(next, /\S+\/account\/email\/verify\?\S+/));
    await ada.look("email-verify");
    await ada.send("/account/email/verify");
    await ada.go("/account");
    await ada.says(next);

    step("undo that");
    await ada.go(await mailed(email, /\S+\/account\/email\/undo\?\S+/));
    await ada.look("email-undo");
    await ada.send("/account/email/undo");
    await ada.look("email-undone");
    await ada.go("/account");
    await ada.page.locator('[name="password"]').waitFor();

    step("reset the password");
    await ada.go("/forgot-password");
    await ada.look("forgot");
    await ada.send("/forgot-password", { email });
    await ada.look("forgot-sent");
    await ada.go(await mailed(email, /\S+\/reset-password\?\S+/));
    await ada.look("reset");
    await ada.send("/reset-password", { password: PASSWORDS[2] });
    await ada.look("reset-done");
    await ada.go("/login");
    await ada.look("login");
    await ada.send("/login", { email, password: PASSWORDS[2] });
    await ada.says("Your account");

    step("sign in by mail");
    await ada.send("/logout");
    await ada.go("/login/link");
    await ada.look("login-link");
    await ada.send("/login/link", { email });
    await ada.look("login-link-sent");
    await ada.go(await mailed(email, /\S+\/login\/link\?\S+/));
    await ada.look("login-link-opened");
    await ada.send("/login/link");
    await ada.says("Your account");

    step("all that is stored");
    await ada.go("/account/applications");
    await ada.look("applications");
    const download = await ada.page.request.get(`${issuer}/account/export`);
    must(download.ok() && (await download.json()).user.email === email, `the export answers ${download.status()}`);

    step("leave");
    await ada.go("/account/delete");
    await ada.look("delete");
    await ada.send("/account/delete", { password: PASSWORDS[2] });
    await ada.look("deleted");
    await ada.go("/account");
    await ada.page.locator('[name="password"]').waitFor();
    must(ada.errors.length === 0, ada.errors.join("; "));
    return {};
  } catch (error) {
    throw new Error(`${error.message.split("\n")[0]} [${(await current.state()).join("; ")}]`);
  } finally {
    await browser.close();
  }
});
