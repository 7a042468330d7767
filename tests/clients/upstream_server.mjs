// The frame of a provider for the tests of federation: it is told who its users and its client are in one line of
// JSON on standard input, says `ready PORT`, ends with that input, and does what no honest provider does when
// `/control` tells it to.
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { must } from "./program.mjs";

/** Far more than anybody may read of an answer. */
const ENDLESS = Buffer.alloc(64 * 1024, " ");
const OVERSIZED = 4 * 1024 * 1024;

/** Ways to answer badly, by their names. `argument` is what the name is said with. */
const FAULTS = {
  error: (_, response) => response.writeHead(500, { "Content-Type": "text/html" }).end("<h1>Oops</h1>"),
  // The socket is kept, and nothing is ever written to it.
  hang: () => {},
  reset: (request) => request.socket.destroy(),
  bad_json: (_, response) => response.writeHead(200, { "Content-Type": "application/json" }).end('{"access_token": '),
  page: (_, response) => response.writeHead(200, { "Content-Type": "text/html" }).end("<h1>Under construction</h1>"),
  oversized: (_, response) =>
    response.writeHead(200, { "Content-Type": "application/json" }).end(`{"filler":"${"x".repeat(OVERSIZED)}"}`),
  endless: (_, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    const more = () => {
      while (!response.destroyed && response.write(ENDLESS));
    };
    response.on("drain", more);
    more();
  },
  // So slowly that no single read takes long.
  drip: (_, response) => {
    response.writeHead(200, { "Content-Type": "application/json" });
    const timer = setInterval(() => response.write(" "), 200);
    response.on("close", () => clearInterval(timer));
  },
  redirect: (_, response, to) => response.writeHead(307, { Location: to }).end(),
  answer: (_, response, { status, headers, body }) =>
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body)),
};

/** A page with one form. `body` is markup already. */
export function page(title, body) {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${title}</title></head>
<body><main><h1>${title}</h1>${body}</main></body></html>`;
}

/** The form in which a person says who it is. */
export function loginForm(action, hidden = {}) {
  const fields = Object.entries(hidden)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escape(value)}">`);
  return `<form method="post" action="${escape(action)}">${fields.join("")}
<label>Account <input name="account" autocomplete="off"></label>
<button>Continue</button> <button name="cancel" value="yes">Cancel</button></form>`;
}

/** Text as markup. */
export function escape(text) {
  const marks = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return String(text).replace(/[&<>"]/g, (mark) => marks[mark]);
}

/** Sends a page. */
export function show(response, status, title, body) {
  response.writeHead(status, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
  response.end(page(title, body));
}

/** A body, whole. */
export async function read(request) {
  return Buffer.concat(await request.toArray()).toString();
}

/** Reads the settings, the first line; the process ends when no more can come. */
function settings() {
  const lines = createInterface({ input: process.stdin });
  lines.on("close", () => process.exit());
  return new Promise((done) => lines.once("line", (line) => done(JSON.parse(line))));
}

/**
 * Runs a provider. `places` names paths by their ends: {"/token": "token", …}; `make({ base, settings, state })`
 * returns what answers its requests. `state` is what `/control` was told last, with what was asked counted in `asked`.
 */
export async function serve(places, make) {
  // The library says at length that it is not set up for production.
  console.info = console.warn = () => {};
  const state = { faults: {}, callbacks: [], asked: {}, accounts: {} };
  const given = await settings();
  Object.assign(state.accounts, given.accounts);
  const ends = Object.entries(places);
  let answer;
  const server = createServer(async (request, response) => {
    try {
      const { pathname } = new URL(request.url, "http://upstream");
      if (pathname === "/control") return await control(request, response, state);
      const place = ends.find(([end]) => pathname.endsWith(end))?.[1];
      if (place) state.asked[place] = (state.asked[place] ?? 0) + 1;
      // Browsers ask for one, and report that there is none.
      if (pathname === "/favicon.ico") return response.writeHead(204).end();
      const fault = state.faults[place];
      if (!fault) return await answer(request, response);
      const [[name, argument]] = Object.entries(typeof fault === "string" ? { [fault]: null } : fault);
      return FAULTS[name](request, response, argument);
    } catch (error) {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      return response.end();
    }
  });
  await new Promise((done) => server.listen(given.port ?? 0, "127.0.0.1", done));
  const { port } = server.address();
  answer = await make({ base: `http://${given.host ?? "127.0.0.1"}:${port}`, settings: given, state });
  process.stdout.write(`ready ${port}\n`);
}

/** What a POST says replaces what was said before, name by name; a GET tells all. */
async function control(request, response, state) {
  if (request.method === "POST") {
    const told = JSON.parse(await read(request));
    for (const fault of Object.values(told.faults ?? {})) {
      const name = typeof fault === "string" ? fault : Object.keys(fault)[0];
      must(name in FAULTS, `no fault is called ${name}`);
    }
    Object.assign(state, told);
  }
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(state));
}
