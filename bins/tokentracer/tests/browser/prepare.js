// Adds to the account with the requests of two months what the pages are to show beside: each kind of gap, errors and
// estimates, a budget, and a webhook. Its user becomes an administrator.

import { writeFileSync } from "node:fs";
import { addAlias, addProviderKey, chat, json, newUser, promote, signInAsAdmin } from "./server.js";

const token = await signInAsAdmin();
const key = await addProviderKey(token, "openai", "Trial");
await addAlias(token, "cached", "mock-cached-900-reasoning-40", key);
await addAlias(token, "broken", "mock-status-400", key);
await addAlias(token, "unmetered", "mock-no-usage", key);
const fast = await addAlias(token, "spare", "gpt-4o-mini", key);
await addAlias(token, "flaky", "mock-status-500", key, { fallback_alias_id: fast.id });
const { token: apiKey } = await json("POST", "/auth/key", {
  token,
  body: { name: "trial", rate_limit_minute: 600, allowed_aliases: ["cached", "broken", "unmetered", "flaky"] },
});
await json("POST", "/auth/key", {
  token,
  body: { name: "limited", expires_in_days: null, budget_usd: 250, budget_period: "month" },
});
for (const alias of ["cached", "cached", "broken", "unmetered", "flaky"]) await chat(apiKey, alias);
await chat(token, "flaky", { session: "a-session", agent: "claude-cli/2.1", tags: "team=search" });
await json("PUT", "/manage/budgets", { token, body: { limit_usd: 40, period: "month" } });
await json("POST", "/manage/webhooks", {
  token,
  body: { url: "https://8.8.8.8/tokentracer", label: "on call", events: ["key.expiring", "target.open"], active: false },
});
await promote(process.env.TOKENTRACER_EMAIL);
const empty = await newUser("empty");
writeFileSync("prepared.json", JSON.stringify({ empty: empty.email }));
