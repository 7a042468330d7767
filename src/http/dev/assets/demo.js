// The demo application: code + PKCE through oidc-client-ts, then an API call with the access token.
"use strict";

const origin = window.location.origin;
const api = origin + "/dev/api";
const manager = new oidc.UserManager({
  authority: document.body.dataset.issuer,
  client_id: "demo",
  redirect_uri: origin + "/dev/callback",
  post_logout_redirect_uri: origin + "/dev/",
  scope: "openid profile email demo:read",
  resource: api,
  loadUserInfo: true,
  automaticSilentRenew: true,
  revokeTokensOnSignout: true,
});
const byId = (id) => document.getElementById(id);

function fail(error) {
  byId("error").textContent = error.message || String(error);
  byId("error").hidden = false;
}

/** Runs an action of a button: one at a time, its failure shown. */
function on(id, action) {
  byId(id).addEventListener("click", async () => {
    byId("error").hidden = true;
    byId(id).disabled = true;
    try {
      await action();
    } catch (error) {
      fail(error);
    } finally {
      byId(id).disabled = false;
    }
  });
}

function show(user) {
  const signedIn = Boolean(user) && !user.expired;
  byId("signed-in").hidden = !signedIn;
  byId("signed-out").hidden = signedIn;
  if (!signedIn) return;
  byId("who").textContent = user.profile.email || user.profile.sub;
  byId("claims").textContent = JSON.stringify(user.profile, null, 2);
  byId("tokens").textContent = "The access token expires at "
    + new Date(user.expires_at * 1000).toLocaleTimeString() + ".";
}

async function callApi() {
  const user = await manager.getUser();
  const answer = await fetch(api + "/me", { headers: { Authorization: "Bearer " + user.access_token } });
  const body = await answer.json();
  byId("api").textContent = answer.status + " " + JSON.stringify(body, null, 2);
}

on("sign-in", () => manager.signinRedirect());
on("sign-up", () => manager.signinRedirect({ prompt: "create" }));
on("call-api", callApi);
on("refresh", async () => show(await manager.signinSilent()));
on("sign-out", () => manager.signoutRedirect());
manager.events.addUserLoaded(show);
manager.events.addUserUnloaded(() => show(null));
manager.events.addSilentRenewError(fail);

async function start() {
  if (window.location.pathname === "/dev/callback") {
    try {
      await manager.signinCallback();
    } finally {
      // The code is spent: it must not stay in the address bar, the history or a bookmark.
      window.history.replaceState(null, "", "/dev/");
    }
    show(await manager.getUser());
    await callApi();
    return;
  }
  show(await manager.getUser());
}

start().catch((error) => {
  show(null);
  fail(error);
});
