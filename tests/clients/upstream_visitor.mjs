// What a person does in the real browser at the providers of upstream_openid.mjs and upstream_api.mjs.

/** Says who it is, on the provider's page; the browser goes back by itself. */
export async function logInThere(page, account) {
  await page.getByLabel("Account").fill(account);
  await page.getByRole("button", { name: "Continue" }).click();
}

/** Says no. */
export async function refuseThere(page) {
  await page.getByRole("button", { name: "Cancel" }).click();
}

/** Ends the provider's own session, on its page of logout. */
export async function logOutThere(page) {
  await page.getByRole("button", { name: "Log out" }).click();
}
