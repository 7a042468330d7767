// A verifier that is shown one token a line on standard input until it ends, and tells what became of them.
import { createInterface } from "node:readline";

import { program } from "./program.mjs";

/** Hands each token to `verify`, which answers the header of one that is good. */
export async function stream(verify) {
  await program(async (step) => {
    step("verify");
    const kids = new Set();
    const failures = [];
    let verified = 0;
    for await (const token of createInterface({ input: process.stdin })) {
      try {
        kids.add((await verify(token)).kid);
        verified += 1;
      } catch (error) {
        failures.push(`${new Date().toISOString()} ${error.code ?? error.name}: ${error.message}: ${token}`);
      }
    }
    return { verified, kids: [...kids], failures };
  });
}
