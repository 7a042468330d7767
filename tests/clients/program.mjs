// How each program here is called: settings from the environment, one line of JSON out, exit status 0 or 1.

/** A setting of the environment; without `otherwise` it must be there. */
export function setting(name, otherwise) {
  const value = process.env[name] || otherwise;
  if (value === undefined) throw new Error(`set ${name}`);
  return value;
}

/** Runs `main`, which is handed `step(name)` to say what it does now, and answers what to print. */
export async function program(main) {
  let step = "start";
  const steps = [];
  try {
    const result = await main((name) => steps.push((step = name)));
    console.log(JSON.stringify({ ok: true, steps, ...result }));
  } catch (error) {
    const cause = error.cause?.error ?? error.cause?.message ?? error.cause?.code;
    console.log(JSON.stringify({ ok: false, step, error: `${error.message}${cause ? ` (${cause})` : ""}` }));
    process.exitCode = 1;
  }
}

/** Fails unless what was found is what must be. */
export function must(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

/** Reads a mailbox that answers with its mails as JSON, newest first. */
export function mails(mailbox) {
  const used = new Set();
  /** What `find` finds in the newest mail to `to` that it was not found in before. */
  return async (to, find) => {
    for (let tries = 0; tries < 200; tries += 1) {
      const all = await (await fetch(mailbox)).json();
      const found = all.filter((mail) => mail.to === to).map((mail) => mail.text.match(find)?.[0])
        .find((text) => text && !used.has(text));
      if (found) {
        used.add(found);
        return found;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`no mail to ${to} has ${find}`);
  };
}
