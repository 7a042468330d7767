// A real browser uses the demo application (oidc-client-ts): signs up, calls the API, refreshes, signs out,
// signs in again. Fails on any error that the browser reports and on pages wider than a phone.
//
// ISSUER EMAIL PASSWORD [NAME="Ada Lovelace"] [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { must, program, setting } from "./program.mjs";
import { launch, observe } from "./chromium.mjs";

await program(async (step) => {
  const issuer = setting("ISSUER");
  const email = setting("EMAIL");
  const password = setting("PASSWORD");
  const name = setting("NAME", "Ada Lovelace");

  const browser = await launch();
  const { page, errors, look, state } = await observe(await browser.newContext());
  const at = () => new URL(page.url()).pathname;
  try {
    const form = page.locator("form").first();
    const submit = form.locator('button:not([type="button"]):not([type="reset"]), input[type="submit"]').first();
    const type = async (fields) => {
      for (const [field, value] of Object.entries(fields)) await form.locator(`[name="${field}"]`).fill(value);
    };
    /** Presses the first button of the page in between, should there be one, until `wanted` shows. */
    const through = async (button, wanted, title) => {
      const between = page.locator(button).first();
      await wanted.or(between).first().waitFor();
      if (await between.isVisible()) {
        await look(title);
        await between.click();
        await wanted.waitFor();
      }
    };
    const signedIn = page.locator("#signed-in");
    const signedOut = page.locator("#signed-out");
    const api = page.locator("#api");

    const arrive = async () => {
      await through('button[name="decision"][value="allow"]', signedIn, "consent");
      await api.filter({ hasText: /^200\b/ }).waitFor();
      must((await page.locator("#who").textContent()) === email, "signed in as somebody else");
      must(at() === "/dev/" && !page.url().includes("code="), `the code stays in the address bar: ${page.url()}`);
    };
    const leave = async () => {
      await page.locator("#sign-out").click();
      await through('button[name="logout"][value="yes"]', signedOut, "logout");
    };

    step("the demo application");
    await page.goto(`${issuer}/dev/`);
    await signedOut.waitFor();
    await look("demo");

    step("signup");
    await page.locator("#sign-up").click();
    await form.locator('[name="email"]').waitFor();
    await look("signup");
    await type({ name, email, password });
    await submit.click();

    step("signed in");
    await arrive();
    await look("signed-in");

    step("refresh");
    const before = JSON.parse(await stored(page));
    await page.locator("#refresh").click();
    // The button is off while its action runs.
    await page.locator("#refresh:enabled").waitFor();
    must(await page.locator("#error").isHidden(), await page.locator("#error").textContent());
    const after = JSON.parse(await stored(page));
    must(after.access_token !== before.access_token, "the access token is the old one");
    must(after.refresh_token && after.refresh_token !== before.refresh_token, "the refresh token is the old one");
    const answered = page.waitForResponse((response) => response.url().includes("/dev/api/"));
    await page.locator("#call-api").click();
    must((await answered).status() === 200, "the API refuses the new token");

    step("logout");
    await leave();

    step("login");
    await page.locator("#sign-in").click();
    await form.locator('[name="password"]').waitFor();
    await look("login");
    await type({ email, password });
    // As most people do it: the form's first button is the one that Enter presses.
    await form.locator('[name="password"]').press("Enter");
    await arrive();
    await leave();

    step("errors of the browser");
    must(errors.length === 0, errors.join(" | "));
    return { access_token: after.access_token, subject: after.profile?.sub };
  } catch (error) {
    throw new Error([error.message.split("\n")[0], ...(await state())].join(" | "));
  } finally {
    await browser.close();
  }
});

/** What oidc-client-ts keeps of the login. */
function stored(page) {
  return page.evaluate(() => Object.entries(sessionStorage).find(([key]) => key.startsWith("oidc.user:"))?.[1] ?? "{}");
}
