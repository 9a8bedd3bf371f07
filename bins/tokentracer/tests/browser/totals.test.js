// Totals: in every view the parts add up to the total, and the total is that of `/manage/usage`, to the nano-dollar, with
// random ranges, zones and filters. `TT_BROWSER_SEED` repeats a run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exactValue, goto, openAs } from "./browser.js";
import { call, json, signInAsAdmin } from "./server.js";

const seed = Number(process.env.TT_BROWSER_SEED ?? 20_261_123);
console.log(`TT_BROWSER_SEED=${seed}`);
let state = seed % 2_147_483_647 || 1;
const random = (below) => (state = (state * 48_271) % 2_147_483_647) % below;
const pick = (list) => list[random(list.length)];

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"];
const DIMENSIONS = ["alias", "model", "provider", "api_key", "client", "session", "tag:team"];
/** The filters, each with the dimension that has its values. */
const FILTERS = {
  alias: "alias",
  model: "model",
  provider: "provider",
  api_key: "api_key",
  client: "client",
  session: "session",
  route: "route",
  status: "status",
  dialect: "dialect",
  tag: "tag:team",
};
const ROUNDS = 25;
const DAY = 86_400_000;

const token = await signInAsAdmin();

/** Nano-dollars of a decimal text. */
function nano(text) {
  const [whole, fraction = ""] = text.replace("-", "").split(".");
  return BigInt(whole + fraction.padEnd(9, "0")) * (text.startsWith("-") ? -1n : 1n);
}

/** The costs in an answer, as they are written: floats would round them. */
function costs(text, field) {
  return [...text.matchAll(new RegExp(`"${field}":(null|[-\\d.eE+]+)`, "g"))].map(([, value]) =>
    value === "null" ? null : nano(value),
  );
}

const sum = (amounts) => amounts.reduce((total, amount) => total + (amount ?? 0n), 0n);
const day = (ms) => new Date(ms).toISOString().slice(0, 10);

/** The rows of `/manage/usage` for the range of an address, asked for as a user would. */
async function usage({ from, to, zone, filter }) {
  const groupBy = filter === null ? "" : FILTERS[filter.name];
  const query = new URLSearchParams({
    from: await startOf(from, zone),
    to: await startOf(day(Date.parse(to) + DAY), zone),
    tz: zone,
    group_by: groupBy,
  });
  const text = await call("GET", `/manage/usage?${query}`, { token });
  const rows = JSON.parse(text).map((row, index) => ({
    ...row,
    cost: costs(text, "cost_usd")[index],
    saved: costs(text, "saved_usd")[index],
  }));
  // The server's own filter is not used, so that it is tested too.
  return rows.filter((row) => filter === null || filterValue(filter.name, row[groupBy]) === filter.value);
}

/** A value of a dimension as a filter has it. */
function filterValue(name, value) {
  const text = String(value ?? "");
  return name === "tag" ? `team=${text}` : text;
}

/** The beginning of a day, found by halving: another way than that of the page. */
async function startOf(date, zone) {
  const local = (ms) => new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(new Date(ms));
  let [low, high] = [Date.parse(date) - 2 * DAY, Date.parse(date) + 2 * DAY];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (local(middle) < date) low = middle;
    else high = middle;
  }
  return new Date(high).toISOString();
}

/** The exact amounts of a column of a table, and its total. */
async function column(box, title) {
  return box.evaluate((element, wanted) => {
    const titles = [...element.querySelectorAll("thead th")].map((cell) => cell.textContent.replace(/[▾▴]/g, ""));
    const index = titles.indexOf(wanted);
    const value = (row) => {
      const cell = row.children[index];
      return cell.querySelector("data")?.getAttribute("value") ?? cell.textContent;
    };
    return {
      parts: [...element.querySelectorAll("tbody tr")].map(value),
      total: value(element.querySelector("tfoot tr")),
    };
  }, title);
}

const asNano = (text) => (text === "unknown" ? 0n : nano(text));
const asCount = (text) => (text === "–" ? 0 : Number(text.replaceAll(",", "")));

test("parts add up to totals, and totals are those of the API", async (t) => {
  const page = await openAs(t, token, "/dashboard");
  const values = Object.fromEntries(
    await Promise.all(
      Object.entries(FILTERS).map(async ([name, dimension]) => {
        const rows = await json("GET", `/manage/usage?group_by=${dimension}`, { token });
        const values = rows.map((row) => filterValue(name, row[dimension]));
        return [name, values.filter((value) => !value.endsWith("(other)"))];
      }),
    ),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    const from = Date.now() - (1 + random(62)) * DAY;
    const to = Math.min(Date.now(), from + random(40) * DAY);
    const dimension = pick(DIMENSIONS);
    const filtered = random(3) > 0 ? pick(Object.keys(FILTERS)) : null;
    const filter = filtered === null ? null : { name: filtered, value: pick(values[filtered]) };
    const range = { from: day(from), to: day(to), zone: pick(ZONES), filter };
    const query = new URLSearchParams({ from: range.from, to: range.to, tz: range.zone, by: dimension });
    if (filter !== null) query.set(filter.name, filter.value);
    const where = `round ${round}: ${query}`;

    const expected = await usage(range);
    await goto(page, `/dashboard?${query}`);
    const requests = expected.reduce((total, row) => total + row.requests, 0);
    if ((await page.getByTestId("total-requests").count()) === 0) {
      assert.equal(requests, 0, where);
      continue;
    }
    assert.equal(Number(await exactValue(page, "total-requests")), requests, where);
    const spend =
      expected.some((row) => row.cost !== null) || expected.length === 0 ? await exactValue(page, "total-spend") : "0";
    assert.equal(nano(spend), sum(expected.map((row) => row.cost)), where);
    assert.equal(nano(await exactValue(page, "total-saved")), sum(expected.map((row) => row.saved)), where);
    assert.equal(
      Number(await exactValue(page, "total-tokens")),
      expected.reduce((total, row) => total + row.input_tokens + row.output_tokens, 0),
      where,
    );
    for (const [metric, sum, number] of [
      ["latency", "latency_ms_sum", "requests"],
      ["first_token", "first_token_ms_sum", "first_token_count"],
    ]) {
      const added = (field) => expected.reduce((total, row) => total + row[field], 0);
      if (added(number) === 0) continue;
      const shown = Number(await exactValue(page, `total-${metric}`));
      assert.equal(shown, added(sum) / added(number), `${where}: ${metric}`);
    }
    if (requests === 0) continue;

    const breakdown = page.getByTestId("breakdown");
    const all = breakdown.getByRole("button", { name: "Show all" });
    if ((await all.count()) > 0) await all.click();
    await adds(breakdown, "Spend", nano(spend), where);
    await addsCounts(breakdown, "Requests", requests, where);
    await page.getByTestId("time-as-table").click();
    await adds(page.getByTestId("over-time"), "Spend", nano(spend), where);
    await addsCounts(
      page.getByTestId("token-classes"),
      "Tokens",
      Number(await exactValue(page, "total-tokens")),
      where,
    );
    await adds(page.getByTestId("token-classes"), "Cost", nano(spend), where);
    await besides(page, expected, where);
    await logged(page, query, requests, where);
  }
});

/** What stands beside the totals is what the rows say. */
async function besides(page, rows, where) {
  const text = await page.getByTestId("beside").innerText();
  const added = (field) => rows.reduce((total, row) => total + row[field], 0);
  const shows = (number, words) => {
    const found = new RegExp(`([\\d,]+) [^\\d]*${words}`).exec(text);
    assert.equal(found === null ? 0 : asCount(found[1]), number, `${where}: ${words} in ${text}`);
  };
  shows(added("unpriced"), "without a known cost");
  shows(added("cost_incomplete") - added("unpriced"), "known in part");
  shows(added("unknown"), "of unknown usage");
  shows(added("interrupted"), "interrupted");
}

/** The list of the requests of the same range and filters has as many rows, as far as a page goes. */
async function logged(page, query, requests, where) {
  await goto(page, `/dashboard/requests?${query}`);
  assert.equal(await page.getByTestId("log-row").count(), Math.min(requests, 50), `${where}: the log`);
}

async function adds(box, title, total, where) {
  const found = await column(box, title);
  assert.equal(sum(found.parts.map(asNano)), total, `${where}: ${title}`);
  assert.equal(asNano(found.total), total, `${where}: the total of ${title}`);
}

async function addsCounts(box, title, total, where) {
  const found = await column(box, title);
  assert.equal(
    found.parts.map(asCount).reduce((before, part) => before + part, 0),
    total,
    `${where}: ${title}`,
  );
  assert.equal(asCount(found.total), total, `${where}: the total of ${title}`);
}

test("the cost of a request is the sum of its lines, and of its log's column", async (t) => {
  const text = await call("GET", "/manage/logs?limit=20&status=200", { token });
  const { data } = JSON.parse(text);
  const page = await openAs(t, token, "/dashboard");
  const priced = data
    .map((row, index) => ({ id: row.request_id, cost: costs(text, "cost_usd")[index] }))
    .filter((row) => row.cost > 0n);
  assert.ok(priced.length > 3);
  for (const { id, cost } of priced.slice(0, 6)) {
    await goto(page, `/dashboard/requests/${id}`);
    assert.equal(nano(await exactValue(page, "request-cost")), cost, id);
    await adds(page.getByTestId("cost"), "USD", cost, id);
  }
});

test("sessions add up to their total, and a session to its turns", async (t) => {
  const page = await openAs(t, token, "/dashboard/sessions?range=90d&tz=UTC");
  const box = page.locator("main .table-box");
  const all = box.getByRole("button", { name: "Show all" });
  if ((await all.count()) > 0) await all.click();
  const { parts, total } = await column(box, "Spend");
  assert.equal(sum(parts.map(asNano)), asNano(total));
  await page.getByTestId("session-link").first().click();
  await page.getByTestId("session-cost").waitFor();
  const cost = nano(await exactValue(page, "session-cost"));
  const turns = await page
    .locator("main tbody tr td.money data")
    .evaluateAll((cells) => cells.map((cell) => cell.value));
  assert.equal(sum(turns.map(asNano)), cost);
});
