// The unmodified Better Auth client in a program: with the cookies of one browser, and what its calls answer.
import { createAuthClient } from "better-auth/client";

import { must } from "./program.mjs";

/** A client with the cookies of one browser, and these plug-ins. */
export function browser(issuer, plugins = []) {
  const cookies = new Map();
  const keep = (response) => {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";");
      const [name, ...value] = pair.split("=");
      if (attributes.some((attribute) => attribute.trim().toLowerCase() === "max-age=0")) cookies.delete(name);
      else cookies.set(name, value.join("="));
    }
    return response;
  };
  const headers = (more) => {
    const all = new Headers(more);
    all.set("origin", new URL(issuer).origin);
    if (cookies.size > 0) all.set("cookie", [...cookies].map((pair) => pair.join("=")).join("; "));
    return all;
  };
  const send = async (input, init = {}) =>
    keep(await fetch(input, { ...init, headers: headers(init.headers ?? input.headers), redirect: "manual" }));
  const client = createAuthClient({
    baseURL: issuer,
    fetchOptions: { customFetchImpl: send },
    plugins,
  });
  return { client, open: (url) => send(url), cookies };
}

/** What a call answers, which must be no error. */
export async function data(call) {
  const { data, error } = await call;
  must(!error, `refused: ${JSON.stringify(error)}`);
  return data;
}

/** The code of a call's error, which there must be one of. */
export async function refusal(call) {
  const { error } = await call;
  must(error, "an error was expected");
  return error.code ?? error.status;
}
