// A verifier that is shown one token a line on standard input until it ends, and tells what became of them: how many
// were good, when the last of each key was, and what was said of the others.
import { createInterface } from "node:readline";

import { program } from "./program.mjs";

/** Hands each token to `verify`, which answers the header of one that is good. */
export async function stream(verify) {
  await program(async (step) => {
    step("verify");
    const last = {};
    const failures = [];
    let verified = 0;
    for await (const token of createInterface({ input: process.stdin })) {
      try {
        const { kid } = await verify(token);
        last[kid] = new Date().toISOString();
        verified += 1;
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${error.code ?? error.name}: ${error.message}: ${token}`);
      }
    }
    return { verified, last, failures };
  });
}
