// Texts that would be markup, script or formulas, wherever a user or a provider can put one: they are shown as texts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { goto, openAs } from "./browser.js";
import { addAlias, addProviderKey, chat, json, newUser } from "./server.js";

const MARKUP = `<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>`;
const TAG = `<b onclick=window.hurt=1>`;

test("hostile texts are texts", async (t) => {
  const { token } = await newUser();
  const key = await addProviderKey(token, "openai", MARKUP.slice(0, 60));
  await addAlias(token, "hostile", "mock-<svg/onload=window.hurt=1>", key);
  await json("POST", "/auth/key", { token, body: { name: "=HYPERLINK(1)<i>" } });
  const { token: apiKey } = await json("POST", "/auth/key", { token, body: { name: MARKUP.slice(0, 60) } });
  const { id } = await chat(apiKey, "hostile", {
    tags: `${encodeTag(TAG)}=${encodeTag(TAG)}`,
    session: "</td><script>",
    text: MARKUP,
  });
  await chat(apiKey, "=cmd()<u>");

  const page = await openAs(t, token, "/dashboard", { expected: [400] });
  for (const path of [
    "/dashboard?by=model",
    "/dashboard?by=api_key",
    "/dashboard?by=session",
    `/dashboard?by=${encodeURIComponent(`tag:${encodeTag(TAG)}`)}`,
    `/dashboard?alias=${encodeURIComponent(MARKUP)}&tag=${encodeURIComponent(`${encodeTag(TAG)}=${MARKUP.slice(0, 60)}`)}`,
    "/dashboard/requests",
    `/dashboard/requests/${id}`,
    "/dashboard/sessions",
    `/dashboard/sessions/${encodeURIComponent("</td><script>")}`,
    "/dashboard/gaps",
    "/dashboard/providers",
    "/dashboard/aliases",
    "/dashboard/keys",
    "/dashboard/audit",
    `/dashboard/whatif?other=openai/gpt-4o&alias=${encodeURIComponent(MARKUP)}`,
    "/docs",
  ]) {
    await goto(page, path);
    const found = await page.evaluate(() => ({
      hurt: window.hurt,
      markup: document.querySelectorAll("main img, main b[onclick], main svg, main script, main u, main i").length,
    }));
    assert.deepEqual(found, { hurt: undefined, markup: 0 }, path);
  }
  await goto(page, "/dashboard/keys");
  await page.getByText(MARKUP.slice(0, 60)).first().waitFor();
  await goto(page, `/dashboard/requests/${id}`);
  await page.getByText("mock-<svg/onload=window.hurt=1>").first().waitFor();

  await goto(page, "/dashboard?by=api_key");
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByTestId("breakdown").getByRole("button", { name: "as CSV" }).click(),
  ]);
  const csv = readFileSync(await download.path(), "utf8");
  assert.match(csv, /^API key,Spend,/);
  assert.ok(
    csv.split("\r\n").every((line) => !/(^|,)"?[=+@]/.test(line)),
    csv,
  );
});

/** Tags hold neither commas nor equals signs, which divide them. */
function encodeTag(text) {
  return text.replaceAll("=", ":");
}
