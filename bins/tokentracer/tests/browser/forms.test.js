// The forms that the first use does not come to: prices and users of administrators, the account, budgets of keys, webhooks,
// and the filters of the views.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { exactValue, goto, openAs, settled } from "./browser.js";
import { addAlias, addProviderKey, chat, json, newUser, PASSWORD, signIn, signInAsAdmin } from "./server.js";

const administrator = await signInAsAdmin();

test("a missing price is a gap until an administrator sets it and rates the requests again", async (t) => {
  const { token } = await newUser();
  const model = `mock-unlisted-${process.pid}`;
  await addAlias(token, "unlisted", model, await addProviderKey(token));
  assert.equal((await chat(token, "unlisted")).status, 200);
  const owner = await openAs(t, token, "/dashboard");
  await owner.getByTestId("beside").getByText("1 request without a known cost").waitFor();
  await goto(owner, "/dashboard/gaps");
  await owner.getByRole("heading", { name: "Without a price" }).waitFor();

  const page = await openAs(t, administrator, "/dashboard/prices");
  await page.getByTestId("price-new").click();
  await page.getByTestId("price-model").fill(model);
  await page.getByTestId("price-input").fill("a lot");
  await page.getByTestId("price-output").fill("6");
  await page.getByTestId("price-save").click();
  await page.getByTestId("problem").getByText("The price is not set.").waitFor();
  assert.equal(await page.getByTestId("price-input").getAttribute("aria-invalid"), "true");
  await page.getByTestId("price-input").fill("1.50");
  await page.getByLabel("In force from").fill("2026-01-01T00:00");
  await page.getByTestId("price-save").click();
  await page.getByTestId("announcement").getByText(`The price of ${model} is set.`).waitFor();
  await page.getByPlaceholder("Search a model").fill(model);
  await page.getByRole("cell", { name: `openai/${model} set here` }).waitFor();

  await page.getByTestId("rerate-report").click();
  await page.getByRole("region", { name: "What would change" }).getByText(model).waitFor();
  await page.getByTestId("rerate").click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("announcement").getByText("The requests are rated again.").waitFor();
  await goto(owner, "/dashboard/gaps");
  await owner.getByTestId("no-gaps").waitFor();
  await goto(owner, "/dashboard");
  assert.ok(Number(await exactValue(owner, "total-spend")) > 0);
});

test("an administrator gives a user a budget, and the user sees it", async (t) => {
  const { email, token } = await newUser();
  const page = await openAs(t, administrator, "/dashboard/users", { expected: [400] });
  const row = page.getByTestId("user-row").filter({ hasText: email });
  await row.getByTestId("user-edit").click();
  await page.getByTestId("user-budget").fill("much");
  await page.getByTestId("user-save").click();
  await page.getByTestId("problem").getByText("The user is not changed.").waitFor();
  await page.getByTestId("user-budget").fill("3");
  await page.getByLabel("Soft: it warns").check();
  await page.getByTestId("user-save").click();
  await row.getByText("$3.00 month, soft").waitFor();
  const owner = await openAs(t, token, "/dashboard/budgets");
  await owner.getByTestId("admin-budget").getByText("of $3.00").waitFor();
  await owner.getByTestId("admin-budget").getByText("soft").waitFor();
});

test("the budget of an API key is shown with what is spent of it", async (t) => {
  const { token } = await newUser();
  await addAlias(token, "priced", "gpt-4o-mini", await addProviderKey(token));
  const page = await openAs(t, token, "/dashboard/keys");
  await page.getByTestId("key-name").fill("budgeted");
  await page.getByText("Scopes, limits and budget").click();
  await page.getByTestId("key-budget").fill("2.50");
  await page.getByTestId("key-soft").check();
  await page.getByTestId("key-create").click();
  const key = await page.getByTestId("key-token").textContent();
  await page.getByTestId("key-done").click();
  await page.getByTestId("key-row").getByText("$2.50 month, soft").waitFor();
  assert.equal((await chat(key, "priced", { words: 400 })).status, 200);
  await goto(page, "/dashboard/budgets");
  const row = page.getByTestId("key-budget-row").filter({ hasText: "budgeted" });
  const [limit, spent, held, left] = await row
    .locator("td.money data")
    .evaluateAll((cells) => cells.map((cell) => Number(cell.value)));
  const { cost_usd: cost } = (await json("GET", "/v1/key", { token: key })).usage.month;
  assert.ok(cost > 0);
  assert.deepEqual([limit, spent, held], [2.5, cost, 0]);
  assert.equal(Math.round((limit - spent) * 1e9), Math.round(left * 1e9));
});

test("the password is changed, and a session is ended", async (t) => {
  const { email, token } = await newUser();
  const other = await signIn(email);
  const page = await openAs(t, token, "/dashboard/account", { expected: [400] });
  await page.getByRole("button", { name: /^End the session/ }).click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("announcement").getByText("The session is ended.").waitFor();
  await assert.rejects(json("GET", "/auth/me", { token: other }), { status: 401 });

  await page.getByLabel("Current password").fill("not the password");
  await page.getByLabel("New password").fill("another horse battery");
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByTestId("problem").getByText("The password is not changed.").waitFor();
  assert.equal(await page.getByLabel("New password").inputValue(), "another horse battery");
  await page.getByLabel("Current password").fill(PASSWORD);
  await page.getByRole("button", { name: "Change the password" }).click();
  await page.getByTestId("announcement").getByText("The password is changed.").waitFor();
  assert.equal(typeof (await signIn(email, "another horse battery")), "string");
});

test("a webhook is refused, made and changed", async (t) => {
  const { token } = await newUser();
  const page = await openAs(t, token, "/dashboard/webhooks", { expected: [400] });
  await page.getByTestId("webhook-url").fill("http://127.0.0.1/hook");
  await page.getByTestId("webhook-add").click();
  await page.getByTestId("problem").getByText("The webhook is not made.").waitFor();
  assert.equal(await page.getByTestId("webhook-url").inputValue(), "http://127.0.0.1/hook");
  await page.getByTestId("webhook-url").fill("https://8.8.8.8/hook");
  await page.getByTestId("webhook-add").click();
  await page.getByTestId("webhook-done").click();
  await page.getByTestId("webhook-edit").click();
  await page.getByTestId("edit-webhook-label").fill("alarms");
  await page.getByTestId("edit-webhook-event-key.expiring").check();
  await page.getByTestId("edit-webhook-save").click();
  const row = page.getByTestId("webhook-row");
  await row.getByText("budget.threshold, key.expiring").waitFor();
  await row.getByText("alarms").waitFor();
  await row.getByTestId("webhook-rotate").click();
  await page.getByTestId("confirm").click();
  assert.match(await page.getByTestId("webhook-secret").textContent(), /^whsec_/);
});

test("a target that rests is shown where it is used", async (t) => {
  const { token } = await newUser();
  const key = await addProviderKey(token);
  const spare = await addAlias(token, "spare", "gpt-4o-mini", key);
  await addAlias(token, "weak", "mock-status-500", key, { fallback_alias_id: spare.id });
  for (let asked = 0; asked < 5; asked += 1) await chat(token, "weak");
  const page = await openAs(t, token, "/dashboard/providers");
  await page.getByTestId("provider-resting").getByText("mock-status-500").waitFor();
  await goto(page, "/dashboard/aliases");
  await page.getByTestId("try-model").fill("weak");
  await page.getByTestId("try-submit").click();
  await page.getByTestId("chain-resting").waitFor();
});

test("filters are set and taken away in the page, and go from view to view", async (t) => {
  const page = await openAs(t, administrator, "/dashboard?range=90d", { expected: [400] });
  await page.getByTestId("filter-name").selectOption("outcome");
  await page.getByTestId("filter-value").selectOption("error");
  await page.getByTestId("filter-add").click();
  await page.getByTestId("filter-outcome").waitFor();
  await settled(page);
  assert.match(page.url(), /outcome=error/);
  const requests = Number(await exactValue(page, "total-requests"));
  assert.ok(requests > 0);
  // The rows of the ninety days before are gone, and no sum knows outcomes.
  await page.getByTestId("metric-requests").getByText("not kept before").waitFor();
  assert.equal(Number(await exactValue(page, "total-errors")), requests);
  await page.getByTestId("see-requests").click();
  await settled(page);
  assert.match(page.url(), /\/dashboard\/requests\?.*range=90d/);
  assert.equal(await page.getByTestId("log-row").count(), Math.min(50, requests));
  await page.getByTestId("filter-outcome").getByRole("button").click();
  await settled(page);
  assert.equal(await page.getByTestId("filter-outcome").count(), 0);
  assert.equal(await page.getByTestId("log-row").count(), 50);
});

test("the session of an old request is shown with that request", async (t) => {
  const rows = await json("GET", "/manage/logs?limit=500", { token: administrator });
  const old = rows.data.findLast((row) => row.session !== null);
  const page = await openAs(t, administrator, `/dashboard/requests/${old.request_id}`);
  await page.getByRole("link", { name: old.session }).click();
  await page.getByTestId("session-cost").waitFor();
  await page.locator(`a[href$="/${old.request_id}"]`).waitFor();
});

test("the chart's table and its CSV have the same numbers, which add up to the total", async (t) => {
  const page = await openAs(t, administrator, "/dashboard?range=30d&show=tokens");
  const total = Number(await exactValue(page, "total-tokens"));
  await page.getByTestId("time-as-table").click();
  const card = page.getByTestId("over-time");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    card.getByRole("button", { name: "as CSV" }).click(),
  ]);
  const [header, ...lines] = readFileSync(await download.path(), "utf8").trimEnd().split("\r\n");
  assert.match(header, /^Day \(.*\),Tokens,The period before$/);
  assert.equal(lines.length, 30);
  assert.equal(
    lines.reduce((sum, line) => sum + Number(line.split(",")[1]), 0),
    total,
  );
  const shown = await card.locator("tbody tr td:nth-child(2)").allTextContents();
  assert.deepEqual(
    shown.map((text) => text.replaceAll(",", "")),
    lines.map((line) => line.split(",")[1]),
  );
});
