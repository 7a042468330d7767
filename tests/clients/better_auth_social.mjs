// The unmodified Better Auth client, as a program without a browser uses it: somebody signs up by Google, connects
// GitHub, uses what the two give, signs in by either, and disconnects them again.
//
// ISSUER, where `google` and `github` (upstream_openid.mjs, upstream_api.mjs) each know one person as `ada`
import { browser, data, refusal } from "./better_auth_browser.mjs";
import { must, program, setting } from "./program.mjs";
import { UserAgent } from "./user_agent.mjs";

await program(async (step) => {
  const issuer = setting("ISSUER");
  const [ada, phone] = [browser(issuer), browser(issuer)];
  const { client } = ada;

  /** Goes where a call sends the browser, says there who it is, and comes back; the path that it arrives at. */
  const through = async (provider, call, { open } = ada) => {
    const { url, redirect } = await data(call);
    must(redirect === true, "the page is sent there");
    const back = await new UserAgent({ account: "ada" }).visit(url, new URL(`${issuer}/api/auth/callback/${provider}`));
    const answer = await open(back.href);
    must(answer.status === 302, `the callback answers ${answer.status}`);
    return new URL(answer.headers.get("location"), issuer).pathname;
  };
  const providers = async () => (await data(client.listAccounts())).map((account) => account.providerId).sort().join();
  // What the protocol calls accountId here is the id of the row, and not the accountId that is listed.
  const accountOf = async (provider) => {
    const { id } = (await data(client.listAccounts())).find((account) => account.providerId === provider);
    return { accountId: id };
  };
  const urls = { callbackURL: "/in", newUserCallbackURL: "/welcome", errorCallbackURL: "/failed" };

  step("sign up by Google");
  must((await through("google", client.signIn.social({ provider: "google", ...urls }))) === "/welcome", "it is new");
  const { user } = await data(client.getSession());
  must(user.email === "ada@gmail.com" && user.emailVerified, `${user.email}: ${user.emailVerified}`);
  must(user.name === "Ada Lovelace" && user.image === "https://pictures.example/ada.png", `${user.name}: ${user.image}`);
  must((await providers()) === "google", await providers());

  step("connect GitHub");
  must((await through("github", client.linkSocial({ provider: "github", ...urls }))) === "/in", "it is connected");
  must((await providers()) === "github,google", await providers());

  step("what the providers give");
  const github = await data(client.getAccessToken(await accountOf("github")));
  must(github.accessToken.startsWith("gho_"), "an access token");
  const google = await data(client.getAccessToken(await accountOf("google")));
  must(google.idToken.split(".").length === 3, "an ID token");
  const refreshed = await data(client.refreshToken(await accountOf("google")));
  must(refreshed.accessToken && refreshed.accessToken !== google.accessToken, "another access token");

  step("sign in by either");
  for (const provider of ["google", "github"]) {
    await data(client.signOut());
    must((await data(client.getSession())) === null, "signed out");
    must((await through(provider, client.signIn.social({ provider, ...urls }))) === "/in", "it is known");
    must((await data(client.getSession())).user.id === user.id, `${provider} opens the same account`);
  }
  must((await through("github", phone.client.signIn.social({ provider: "github", ...urls }), phone)) === "/in", "anywhere");

  step("disconnect");
  const gone = await accountOf("github");
  must((await data(client.unlinkAccount(gone))).status, "disconnected");
  must((await providers()) === "google", await providers());
  must((await refusal(client.getAccessToken(gone))) === "ACCOUNT_NOT_FOUND", "nothing is left of it");
  must((await refusal(client.unlinkAccount(await accountOf("google")))) === "FAILED_TO_UNLINK_LAST_ACCOUNT", "one stays");
  await data(client.signOut());
  must((await through("github", client.signIn.social({ provider: "github", ...urls }))) === "/failed", "it is a stranger");
  must((await data(client.getSession())) === null, "nobody is in");
  return {};
});
