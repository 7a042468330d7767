// A real browser comes by other providers for a third-party application: signs up by Google's and by Apple's like from
// the login page of a pending request, lands in the application, whose API believes the token; connects GitHub on the
// page of the account, and signs in by either.
//
// ISSUER CLIENT_ID RESOURCE PORT: where the application answers, as http://localhost:PORT/callback
// [SHOTS: a folder for pictures] [CHROMIUM: the browser's program]
import { launch, observe } from "./chromium.mjs";
import { must, program, setting } from "./program.mjs";
import { application } from "./third_party_application.mjs";
import { logInThere, refuseThere } from "./upstream_visitor.mjs";

await program(async (step) => {
  const issuer = setting("ISSUER");
  const { authorize, arrived, close } = await application({
    issuer, clientId: setting("CLIENT_ID"), resource: setting("RESOURCE"), port: setting("PORT"),
  });

  const browser = await launch();
  let current;
  try {
    const open = async (kind) => {
      const context = await browser.newContext();
      const seen = await observe(context, `federation-${kind}-`);
      current = seen;
      const { page } = seen;
      const press = (name) => page.getByRole("button", { name, exact: true }).click();
      return {
        ...seen,
        press,
        /** Waits until the application has its answer, and returns what it says. */
        arrived: (state) => arrived(page, state),
        signOut: async () => {
          await page.goto(`${issuer}/account`);
          await press("Sign out");
          await page.getByRole("heading", { name: "You are signed out" }).waitFor();
        },
      };
    };

    step("sign up by Google");
    const ada = await open("google");
    await ada.page.goto(authorize("one"));
    await ada.look("login");
    await ada.press("Continue with Google");
    await logInThere(ada.page, "ada");
    const first = await ada.arrived("one");
    must(first.id.email === "ada@gmail.com" && first.id.email_verified, JSON.stringify(first.id));
    must(first.access.amr.includes("fed") && first.access.amr.includes("mfa"), JSON.stringify(first.access));

    step("say no to Apple, then sign up by it");
    const grace = await open("apple");
    await grace.page.goto(authorize("two"));
    await grace.press("Continue with Apple");
    await refuseThere(grace.page);
    await grace.page.getByRole("alert").waitFor();
    must((await grace.page.getByRole("alert").textContent()).includes("You did not let Apple"), "it is told");
    await grace.look("denied");
    await grace.press("Continue with Apple");
    await logInThere(grace.page, "grace");
    const second = await grace.arrived("two");
    must(second.id.name === "Grace Hopper" && second.id.sub !== first.id.sub, JSON.stringify(second.id));

    step("connect GitHub");
    current = ada;
    await ada.page.goto(`${issuer}/account/identities`);
    await ada.look("identities-one");
    await ada.press("Connect GitHub");
    await logInThere(ada.page, "octocat");
    await ada.page.getByText("you can sign in with either").waitFor();
    await ada.look("identities-two");

    step("sign in by GitHub, and by Google again");
    for (const [provider, who, state] of [["GitHub", "octocat", "three"], ["Google", "ada", "four"]]) {
      await ada.signOut();
      await ada.page.goto(authorize(state));
      await ada.press(`Continue with ${provider}`);
      // Google's like still has its own session there, GitHub's has none.
      if (provider === "GitHub") await logInThere(ada.page, who);
      const again = await ada.arrived(state);
      must(again.id.sub === first.id.sub && again.id.email === "ada@gmail.com", JSON.stringify(again.id));
    }

    step("disconnect GitHub");
    await ada.page.goto(`${issuer}/account/identities`);
    await ada.page.getByRole("button", { name: "Disconnect GitHub" }).click();
    await ada.page.getByText("The provider is disconnected").waitFor();
    must((await ada.page.getByRole("button", { name: /^Disconnect/ }).count()) === 0, "the last way in stays");
    await ada.signOut();
    await ada.page.goto(`${issuer}/login`);
    await ada.press("Continue with GitHub");
    await logInThere(ada.page, "octocat");
    await ada.page.waitForURL(`${issuer}/account`);
    must(await ada.page.getByText("octocat@example.org").first().isVisible(), "it is another account now");

    step("errors of the browser");
    for (const seen of [ada, grace]) must(seen.errors.length === 0, seen.errors.join(" | "));
    return {};
  } catch (error) {
    throw new Error([error.message.split("\n")[0], ...(current ? await current.state() : [])].join(" | "));
  } finally {
    await browser.close();
    close();
  }
});
