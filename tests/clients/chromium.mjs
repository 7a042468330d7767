// The real browser of the tests: where it is, how it is started, and what it reports.
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { must, setting } from "./program.mjs";

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
const BROWSERS = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** Starts it; CHROMIUM in the environment names its program. */
export async function launch() {
  const executablePath = process.env.CHROMIUM || BROWSERS.find(existsSync);
  must(executablePath, "there is no Chromium: `.ci/install test` installs what the tests need");
  return chromium.launch({
    executablePath,
    args: [
      // Root may not use the sandbox, and what is visited here is our own.
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/**
 * A new page of `context`, and what its browser reports on the way. Pictures go to SHOTS, named `prefix` and a
 * title.
 */
export async function observe(context, prefix = "") {
  const shots = setting("SHOTS", "");
  if (shots) mkdirSync(shots, { recursive: true });
  const page = await context.newPage();
  await page.setViewportSize(DESKTOP);
  const errors = [];
  const at = () => new URL(page.url(), "about:blank").pathname;
  // Errors that are wanted: the browser reports each page that answers with one.
  const answers = new Map();
  page.on("response", (response) => {
    if (response.request().isNavigationRequest()) answers.set(response.url(), response.status());
  });
  page.on("console", (message) => {
    const { url } = message.location();
    const ofThePage = message.text().startsWith("Failed to load resource") && (answers.get(url) ?? 0) >= 400;
    if (message.type() === "error" && !ofThePage) errors.push(`${at()}: ${message.text()} ${url}`);
    else if (/content security policy/i.test(message.text())) errors.push(`${at()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => errors.push(`${at()}: ${error.message}`));

  return {
    page,
    errors,
    /** Looks at the page as it is: on a phone, on a desktop, in the dark. */
    look: async (title, status = 200) => {
      const answered = answers.get(page.url());
      must(answered === undefined || answered === status, `${title} answers ${answered}`);
      for (const [kind, viewport, colorScheme] of [
        ["phone", PHONE, "light"], ["desktop", DESKTOP, "light"], ["dark", DESKTOP, "dark"],
      ]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme });
        const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        must(excess <= 0, `${title} is ${excess} pixels wider than the ${kind}`);
        if (shots) await page.screenshot({ path: join(shots, `${prefix}${title}-${kind}.png`), fullPage: true });
      }
      await page.emulateMedia({ colorScheme: "light" });
    },
    /** What there is to see when something failed. */
    state: async () => {
      if (shots) await page.screenshot({ path: join(shots, `${prefix}failure.png`), fullPage: true });
      const alerts = await page.locator('[role="alert"]:visible').allTextContents();
      return [page.url().split("?")[0], ...alerts, ...errors];
    },
  };
}
