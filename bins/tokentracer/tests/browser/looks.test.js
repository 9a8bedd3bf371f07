// Every page, wide and narrow, light and dark, with data and empty: a screenshot of each, and axe without serious findings.

import assert from "node:assert/strict";
import { test } from "node:test";
import axe from "axe-core";
import { goto, NARROW, openAs, open, settled, VIEWS, WIDE } from "./browser.js";
import { json, prepared, signIn, signInAsAdmin } from "./server.js";

const tokens = { full: await signInAsAdmin(), empty: await signIn(prepared().empty) };
const { data: rows } = await json("GET", "/manage/logs?limit=500&alias=nightly", { token: tokens.full });
const [{ session } = {}] = await json("GET", "/manage/usage?group_by=session", { token: tokens.full }).then((groups) =>
  groups.filter((group) => group.session !== null),
);

const PAGES = {
  ...Object.fromEntries(Object.entries(VIEWS).map(([id, path]) => [id.slice(4), path])),
  request: `/dashboard/requests/${rows.find((row) => row.attempts > 1)?.request_id ?? rows[0].request_id}`,
  session: `/dashboard/sessions/${encodeURIComponent(session ?? "none")}?range=90d`,
  whatif: "/dashboard/whatif?other=openai/gpt-4o",
  account: "/dashboard/account",
  docs: "/docs",
  landing: "/",
};

const FORMS = [
  { form: "wide-light", viewport: WIDE, dark: false },
  { form: "wide-dark", viewport: WIDE, dark: true },
  { form: "narrow-light", viewport: NARROW, dark: false },
  { form: "narrow-dark", viewport: NARROW, dark: true },
];

/** Fails on findings of axe that are serious or worse. */
async function inspect(page, where) {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  const told = serious.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  );
  assert.deepEqual(told, [], where);
}

/** No page is wider than its window: tables scroll in boxes of their own. */
async function fits(page, where) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window, `${where} is ${content} wide in a window of ${window}`);
}

for (const { form, viewport, dark } of FORMS) {
  test(`pages with data, ${form}`, async (t) => {
    // Without a description of the API, the guide asks for it in vain.
    const page = await openAs(t, tokens.full, "/dashboard", { viewport, dark });
    for (const [name, path] of Object.entries(PAGES)) {
      await goto(page, path);
      await page.screenshot({ path: `screenshots/${name}-${form}.png`, fullPage: true });
      await inspect(page, `${name} ${form}`);
      await fits(page, `${name} ${form}`);
    }
  });
}

for (const dark of [false, true]) {
  test(`empty pages, ${dark ? "dark" : "light"}`, async (t) => {
    const page = await openAs(t, tokens.empty, "/dashboard", { dark });
    for (const [id, path] of Object.entries(VIEWS)) {
      if (id === "nav-users") continue;
      await goto(page, path);
      await page.screenshot({
        path: `screenshots/${id.slice(4)}-empty-${dark ? "dark" : "light"}.png`,
        fullPage: true,
      });
      await inspect(page, `${path} empty`);
    }
  });
}

test("the pictures of the README", async (t) => {
  const page = await openAs(t, tokens.full, "/dashboard", { viewport: { width: 1200, height: 800 } });
  for (const name of ["usage", "request"]) {
    await goto(page, PAGES[name]);
    await page.screenshot({ path: `screenshots/readme-${name}.png` });
  }
  await goto(page, "/dashboard/aliases");
  await page.getByTestId("try-model").fill("long");
  await page.getByTestId("try-submit").click();
  await page.getByTestId("decision").waitFor();
  await page
    .getByTestId("decision")
    .locator("table")
    .evaluate((table) => table.scrollIntoView({ block: "end" }));
  await page.screenshot({ path: "screenshots/readme-aliases.png" });
});

test("the narrowest window is 360 pixels", async (t) => {
  const page = await openAs(t, tokens.full, "/dashboard", { viewport: { width: 360, height: 700 } });
  for (const [name, path] of Object.entries(PAGES)) {
    await goto(page, path);
    await fits(page, name);
  }
});

test("the overview with its chart is less than 100 KB of files", async (t) => {
  const page = await openAs(t, tokens.full, "/dashboard");
  await page.locator(".chart canvas").waitFor();
  const sizes = await page.evaluate(() =>
    performance
      .getEntries()
      .filter(
        ({ entryType, initiatorType }) => ["navigation", "resource"].includes(entryType) && initiatorType !== "fetch",
      )
      .map(({ name, encodedBodySize, decodedBodySize }) => ({ name, encodedBodySize, decodedBodySize })),
  );
  const sent = sizes.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  assert.ok(sizes.length >= 5 && sent > 0 && sent < 100_000, JSON.stringify(sizes));
  assert.ok(
    sizes.some(({ encodedBodySize, decodedBodySize }) => encodedBodySize < decodedBodySize / 2),
    "compressed",
  );
});

test("signing in", async (t) => {
  const page = await open(t);
  await goto(page, "/dashboard");
  await page.screenshot({ path: "screenshots/sign-in-wide-light.png" });
  await inspect(page, "sign in");
  await page.getByTestId("tab-signup").click();
  await settled(page);
  await inspect(page, "sign up");
});
