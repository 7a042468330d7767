// The unmodified Better Auth client, as a program without a browser uses it: it signs up, proves the address, and
// goes through everything that a user does with an account, until it is deleted.
//
// ISSUER MAILBOX (an address that answers with the mails as JSON, newest first)
import {
  emailOTPClient, jwtClient, magicLinkClient, multiSessionClient, oneTimeTokenClient,
} from "better-auth/client/plugins";

import { browser as browserWith, data, refusal } from "./better_auth_browser.mjs";
import { mails, must, program, setting } from "./program.mjs";

const issuer = setting("ISSUER");
const PASSWORDS = ["correct-horse battery staple 7", "wooden-spoon lantern meadow 9", "quiet-river copper ladder 4"];

/** Somebody's browser. */
const browser = () => browserWith(issuer, [
  jwtClient(), magicLinkClient(), emailOTPClient(), multiSessionClient(), oneTimeTokenClient(),
]);

await program(async (step) => {
  const [ada, phone] = [browser(), browser()];
  const { client } = ada;
  const mailed = mails(setting("MAILBOX"));
  let email = "ada@example.org";

  step("sign up");
  const signedUp = await data(client.signUp.email({ name: "Ada", email, password: PASSWORDS[0] }));
  must(signedUp.user.email === email && signedUp.user.emailVerified === false, "the user is told");
  const session = await data(client.getSession());
  must(session.user.id === signedUp.user.id, "a session");
  must(session.session.expiresAt instanceof Date, "dates are dates");
  must(await refusal(browser().client.signUp.email({ name: "Eve", email, password: PASSWORDS[1] })) ===
    "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "an address is taken");

  step("verify the address by the mailed link");
  const verification = await mailed(email, /\S+\/verify-email\?\S+/);
  const verified = await ada.open(verification);
  must([200, 302].includes(verified.status), `verified: ${verified.status}`);
  must((await data(client.getSession({ query: { disableCookieCache: true } }))).user.emailVerified, "it is verified");

  step("sign out and in");
  await data(client.signOut());
  must((await data(client.getSession())) === null, "no session");
  must(await refusal(client.signIn.email({ email, password: "another password" })) ===
    "INVALID_EMAIL_OR_PASSWORD", "a wrong password");
  await data(client.signIn.email({ email, password: PASSWORDS[0] }));

  step("the JWT");
  const { token } = await data(client.token());
  const { keys } = await data(client.jwks());
  must(keys.length > 0 && keys.every((key) => key.kty === "OKP"), "Ed25519 keys");

  step("list and revoke sessions");
  await data(phone.client.signIn.email({ email, password: PASSWORDS[0] }));
  const sessions = await data(client.listSessions());
  must(sessions.length === 2, `${sessions.length} sessions`);
  const mine = (await data(client.getSession())).session.id;
  const other = sessions.find((listed) => listed.id !== mine);
  must((await data(client.revokeSession({ token: other.token }))).status, "revoked");
  must((await data(phone.client.getSession())) === null, "the other one has ended");
  await data(phone.client.signIn.email({ email, password: PASSWORDS[0] }));
  await data(client.revokeOtherSessions());
  must((await data(phone.client.getSession())) === null, "all others have ended");

  step("name and picture");
  await data(client.updateUser({ name: "Ada Lovelace", image: "https://example.org/ada.png" }));
  const updated = (await data(client.getSession())).user;
  must(updated.name === "Ada Lovelace" && updated.image === "https://example.org/ada.png", "both have changed");

  step("change the password");
  must(await refusal(client.changePassword({ currentPassword: "wrong one", newPassword: PASSWORDS[1] })) ===
    "INVALID_PASSWORD", "the present one is asked for");
  const changed = await data(client.changePassword(
    { currentPassword: PASSWORDS[0], newPassword: PASSWORDS[1], revokeOtherSessions: true }));
  must(typeof changed.token === "string", "another session");
  must((await data(client.getSession())).user.id === signedUp.user.id, "it goes on");

  step("change the address");
  const next = "countess@example.org";
  await data(client.changeEmail({ newEmail: next }));
  const agreed = await ada.open(await mailed(email, /\S+\/verify-email\?\S+/));
  must([200, 302].includes(agreed.status), `agreed: ${agreed.status}`);
  const moved = await ada.open(await mailed(next, /\S+\/verify-email\?\S+/));
  must([200, 302].includes(moved.status), `moved: ${moved.status}`);
  must((await data(client.getSession())).user.email === next, "the address is the new one");
  email = next;

  step("reset the password");
  await data(browser().client.requestPasswordReset({ email, redirectTo: "/reset" }));
  const opened = await browser().open(await mailed(email, /\S+\/reset-password\/\S+/));
  const reset = new URL(opened.headers.get("location")).searchParams.get("token");
  await data(browser().client.resetPassword({ newPassword: PASSWORDS[2], token: reset }));
  must((await data(client.getSession())) === null, "sessions have ended");
  must(await refusal(browser().client.resetPassword({ newPassword: PASSWORDS[0], token: reset })) ===
    "INVALID_TOKEN", "a link is good once");
  await data(client.signIn.email({ email, password: PASSWORDS[2] }));
  await data(client.signOut());

  step("sign in by a mailed link");
  await data(client.signIn.magicLink({ email, callbackURL: "/welcome" }));
  const arrived = await ada.open(await mailed(email, /\S+\/magic-link\/verify\?\S+/));
  must(arrived.status === 302 && arrived.headers.get("location").endsWith("/welcome"), "sent on");
  must((await data(client.getSession())).user.email === email, "signed in");
  await data(client.signOut());

  step("sign in by a mailed code");
  await data(client.emailOtp.sendVerificationOtp({ email, type: "sign-in" }));
  const otp = (await mailed(email, /\b[0-9]{6}\b/));
  must(await refusal(client.signIn.emailOtp({ email, otp: otp === "000000" ? "000001" : "000000" })) ===
    "INVALID_OTP", "a wrong code");
  await data(client.signIn.emailOtp({ email, otp }));
  must((await data(client.getSession())).user.email === email, "signed in");

  step("a token for another browser");
  const handed = await data(client.oneTimeToken.generate());
  must((await data(phone.client.oneTimeToken.verify({ token: handed.token }))).user.email === email, "handed over");

  step("delete the account");
  must((await data(client.deleteUser({ password: PASSWORDS[2] }))).success, "deleted");
  must((await data(client.getSession())) === null, "no session");
  must(await refusal(browser().client.signIn.email({ email, password: PASSWORDS[2] })) ===
    "INVALID_EMAIL_OR_PASSWORD", "nobody is left");
  return { token };
});
