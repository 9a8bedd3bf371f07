// A browser for the tests of a file, and pages that fail a test when something goes wrong on them.

import assert from "node:assert/strict";
import { after } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";
import { PASSWORD, URL } from "./server.js";

export const WIDE = { width: 1280, height: 900 };
export const NARROW = { width: 390, height: 844 };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
after(() => browser.close());

/** The statuses of answers that a test expects, of which the browser writes an error to the console. */
const REFUSED = /Failed to load resource: the server responded with a status of (\d{3})/;

/** The status of a call past the limit of calls a minute and user, which a fast machine reaches. */
const LIMITED = 429;

/** The seconds after which a page may be loaded again, of which a call came past that limit. */
const waits = new WeakMap();

/** Opens a page for a test. Errors on the console, and requests to other hosts, fail the test at its end. */
export async function open(t, { viewport = WIDE, dark = false, expected = [], zone = "Europe/Berlin" } = {}) {
  const context = await browser.newContext({
    baseURL: URL,
    viewport,
    colorScheme: dark ? "dark" : "light",
    timezoneId: zone,
    locale: "en-GB",
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    const status = REFUSED.exec(message.text())?.[1];
    if (["error", "warning"].includes(message.type()) && ![...expected, LIMITED].includes(Number(status)))
      wrong.push(message.text());
  });
  page.on("response", (response) => {
    if (response.status() === LIMITED) waits.set(page, Number(response.headers()["retry-after"]));
  });
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${URL}/`) && !url.startsWith("blob:")) wrong.push(`a request to ${url}`);
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  });
  return page;
}

/** Opens a page of the dashboard as a user, whose session is put into the tab's storage. */
export async function openAs(t, token, path, options) {
  const page = await open(t, options);
  await page.addInitScript((session) => sessionStorage.setItem("tokentracer.session", session), token);
  await goto(page, path);
  return page;
}

/** Goes to a page and waits until its data are there: again, if a call for them came past the limit of calls. */
export async function goto(page, path) {
  for (let tries = 0; tries < 3; tries++) {
    waits.delete(page);
    await page.goto(path);
    await settled(page);
    if (!waits.has(page)) return;
    await sleep(1000 * waits.get(page));
  }
}

/** Waits until nothing is loading. */
export async function settled(page) {
  await page.locator("main h1").first().waitFor();
  await page.waitForFunction(() => document.querySelector('[aria-busy="true"], .chart-place') === null);
}

/** Signs in by the form. */
export async function signInByForm(page, email) {
  await page.getByTestId("email").fill(email);
  await page.getByTestId("password").fill(PASSWORD);
  await page.getByTestId("login-submit").click();
  await settled(page);
}

/** The exact value of the `<data>` element with a test id. */
export async function exactValue(page, testId) {
  return page.getByTestId(testId).getAttribute("value");
}

/** The pages of the dashboard, by the test id of their entry in the navigation. */
export const VIEWS = {
  "nav-usage": "/dashboard",
  "nav-requests": "/dashboard/requests",
  "nav-sessions": "/dashboard/sessions",
  "nav-gaps": "/dashboard/gaps",
  "nav-providers": "/dashboard/providers",
  "nav-aliases": "/dashboard/aliases",
  "nav-keys": "/dashboard/keys",
  "nav-budgets": "/dashboard/budgets",
  "nav-webhooks": "/dashboard/webhooks",
  "nav-whatif": "/dashboard/whatif",
  "nav-prices": "/dashboard/prices",
  "nav-users": "/dashboard/users",
  "nav-audit": "/dashboard/audit",
};
