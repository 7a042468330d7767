// A Better Auth server as applications have it before they move: makes its tables in DATABASE_URL and serves on PORT.
//
// Its plugin for tokens is on. SECRET signs its cookies and encrypts its keys.
import { createServer } from "node:http";

import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import pg from "pg";

import { setting } from "./program.mjs";

const port = Number(setting("PORT"));
const options = {
  baseURL: `http://127.0.0.1:${port}`,
  secret: setting("SECRET"),
  database: new pg.Pool({ connectionString: setting("DATABASE_URL") }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [jwt({ jwt: { expirationTime: "1h" } })],
};

const { runMigrations } = await getMigrations(options);
await runMigrations();
createServer(toNodeHandler(betterAuth(options))).listen(port, "127.0.0.1");
