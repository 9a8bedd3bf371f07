// Makes a team with a month of usage, for the tests that look at many requests. The clock of the server begins a month ago and
// is moved on day by day.

import { writeFileSync } from "node:fs";
import { addAlias, addProviderKey, chat, hasClock, json, newUser, promote, setClock, signIn } from "./server.js";

const DAY = 86_400;
const DAYS = hasClock ? 61 : 1;
/** A generator of numbers between 0 and 1 that are the same in each run. */
let state = 12;
const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
const pick = (list) => list[Math.floor(random() * list.length)];

const CLIENTS = ["claude-cli/2.1", "codex_cli_rs/0.50", "OpenAI/Python 2.0", "OpenAI/JS 6.0", "curl/8"];
const TEAMS = ["search", "support", "billing"];

async function setUp(token) {
  const [openai, anthropic, gemini] = await Promise.all([
    addProviderKey(token, "openai", "Production"),
    addProviderKey(token, "anthropic", "Production"),
    addProviderKey(token, "gemini", "Trial"),
  ]);
  const fast = await addAlias(token, "fast", "gpt-4o-mini", openai);
  await addAlias(token, "smart", "claude-sonnet-4-5", anthropic, {
    fallback_alias_id: fast.id,
    use_light_model: true,
    light_model: "claude-haiku-4-5",
    light_model_threshold: 60,
  });
  const flaky = await addAlias(token, "flaky", "mock-status-500", openai, { fallback_alias_id: fast.id });
  await addAlias(token, "long", "gemini-2.5-flash", gemini, { fallback_alias_id: flaky.id });
  await addAlias(token, "cached", "mock-cached-900-reasoning-40", openai);
  await addAlias(token, "broken", "mock-status-400", openai);
  await addAlias(token, "unmetered", "mock-no-usage", openai);
  await addAlias(token, "claude-*", "*", anthropic);
  const key = (name, more) => json("POST", "/auth/key", { token, body: { name, ...more } });
  const keys = [
    await key("search service", { rate_limit_minute: 600, budget_usd: 250, budget_period: "month" }),
    await key("nightly jobs", { expires_in_days: null }),
    await key("laptop", { allowed_aliases: ["fast", "smart", "claude-*"], scopes: ["proxy", "manage"] }),
  ];
  return keys.map((made) => made.token);
}

/** A day's requests: more in the middle of the week, and more from month to month. */
async function work(keys, day) {
  const busy = 0.6 + 0.4 * Math.sin((day % 7) / 2.2) + day / 90;
  const turns = Math.round((5 + random() * 4) * busy);
  for (let turn = 0; turn < turns; turn += 1) {
    const alias = pick(["fast", "fast", "smart", "smart", "smart", "long", "flaky", "claude-sonnet-4-5"]);
    const agent = pick(CLIENTS);
    const isAgent = agent.startsWith("claude") || agent.startsWith("codex");
    await chat(alias.startsWith("claude") || alias === "smart" ? keys[2] : pick(keys.slice(0, 2)), alias, {
      words: Math.round(20 + random() ** 3 * 9000),
      stream: random() < 0.7,
      agent,
      ...(isAgent && { session: `session-${Math.floor(day / 2)}-${agent.slice(0, 5)}` }),
      ...(random() < 0.8 && { tags: `team=${pick(TEAMS)},stage=${pick(["live", "test"])}` }),
    });
  }
}

const started = hasClock ? -(DAYS - 1) * DAY : 0;
if (hasClock) setClock(started);
const admin = await newUser("ann");
const keys = await setUp(admin.token);
for (let day = 0; day < DAYS; day += 1) {
  if (hasClock) setClock(started + day * DAY - (day === DAYS - 1 ? 1800 : random() * 6 * 3600));
  await work(keys, day);
}
if (hasClock) setClock(0);
// Each kind of gap, errors and estimates, today.
for (const alias of ["cached", "cached", "broken", "unmetered", "flaky"]) await chat(keys[1], alias);
await promote(admin.email);
const empty = await newUser("bob");
const token = await signIn(admin.email);
await json("PUT", "/manage/budgets", { token, body: { limit_usd: 40, period: "month" } });
writeFileSync("prepared.json", JSON.stringify({ admin: admin.email, empty: empty.email, key: keys[1] }));
