// An application's own look at the copy of a session in COOKIE, by the functions that its middleware has for that.
import { getCookieCache, getSessionCookie } from "better-auth/cookies";

import { must, program, setting } from "./program.mjs";

await program(async (step) => {
  const headers = new Headers({ cookie: setting("COOKIE") });

  step("see that there is a session");
  must(getSessionCookie(headers), "there is no session's cookie");

  step("read the copy");
  return { copy: await getCookieCache(headers, { secret: setting("SECRET"), isSecure: false }) };
});
