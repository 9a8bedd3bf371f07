// The first use, by the mouse and by the keyboard alone: from signing up to seeing what a request has cost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { goto, open, openAs, settled, signInByForm } from "./browser.js";
import { addAlias, addProviderKey, chat, newUser, PASSWORD } from "./server.js";

test("a visitor signs up, sets up a model, sends a request and sees its cost", async (t) => {
  const page = await open(t);
  await goto(page, "/");
  await page.getByTestId("to-dashboard").click();
  await page.getByTestId("tab-signup").click();
  await page.getByTestId("email").fill(`journey-${process.pid}@example.org`);
  await page.getByTestId("password").fill(PASSWORD);
  await page.getByTestId("signup-submit").click();
  await page.getByText("No request was made in this time.").waitFor();

  await page.getByTestId("nav-providers").click();
  await page.getByTestId("provider-select").selectOption("openai");
  await page.getByTestId("provider-key").fill("sk-mock-journey");
  await page.getByTestId("provider-add").click();
  await page.getByTestId("provider-row").waitFor();
  await page.getByTestId("provider-test").click();
  await page.getByTestId("provider-test-result").getByText("The provider took the key").waitFor();

  await page.getByTestId("nav-aliases").click();
  await page.getByTestId("alias-name").fill("mine");
  await page.getByTestId("alias-target").fill("gpt-4o-mini");
  await page.getByTestId("alias-provider-key").selectOption({ label: "OpenAI · key " + (await keyId(page)) });
  await page.getByTestId("alias-add").click();
  await page.getByTestId("alias-row").getByText("mine").first().waitFor();
  await page.getByTestId("try-submit").click();
  await page.getByTestId("decision").getByText("openai/gpt-4o-mini").waitFor();

  await page.getByTestId("nav-keys").click();
  await page.getByTestId("key-create").click();
  const key = await page.getByTestId("key-token").textContent();
  assert.match(key, /^tt-/);
  await page.getByTestId("key-done").click();
  await page.getByTestId("key-row").waitFor();
  assert.ok(!(await page.content()).includes(key), "the key is shown once");

  assert.equal((await chat(key, "mine")).status, 200);
  await page.getByTestId("nav-usage").click();
  await settled(page);
  assert.equal(await page.getByTestId("total-requests").getAttribute("value"), "1");
  assert.notEqual(await page.getByTestId("total-spend").getAttribute("value"), "0");
  await page.getByTestId("nav-requests").click();
  await page.getByTestId("log-link").click();
  await page.getByTestId("request-cost").waitFor();

  await page.getByTestId("sign-out").click();
  await page.getByTestId("login-submit").waitFor();
  assert.equal(
    await page.evaluate(() => sessionStorage.length + localStorage.length),
    0,
    "nothing is left in the browser",
  );
});

/** The number of the only provider key, which has no label. */
async function keyId(page) {
  const text = await page.getByTestId("alias-provider-key").locator("option").first().textContent();
  return text.split(" ").at(-1);
}

test("objects are edited, replaced and deleted, and deleting asks first", async (t) => {
  const { token } = await newUser();
  const key = await addProviderKey(token);
  await addAlias(token, "first", "gpt-4o-mini", key);
  const page = await openAs(t, token, "/dashboard/aliases", { expected: [409] });

  await page.getByTestId("alias-edit").click();
  await page.getByTestId("edit-alias-target").fill("gpt-4o");
  await page.getByTestId("edit-alias-uses-light").check();
  await page.getByTestId("edit-alias-light").fill("gpt-4o-mini");
  await page.getByTestId("alias-save").click();
  await page.getByTestId("alias-row").getByText("gpt-4o-mini under 100 tokens").waitFor();

  await goto(page, "/dashboard/providers");
  await page.getByTestId("provider-delete").click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("problem").getByText("The key is not deleted.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByTestId("provider-edit").click();
  await page.getByTestId("edit-label").fill("renamed");
  await page.getByTestId("edit-key").fill("sk-mock-other");
  await page.getByTestId("edit-save").click();
  await page.getByTestId("provider-row").getByText("renamed").waitFor();

  await goto(page, "/dashboard/aliases");
  await page.getByTestId("alias-delete").click();
  await page.getByTestId("confirm").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByTestId("alias-row").count(), 1, "Escape deletes nothing");
  await page.getByTestId("alias-delete").click();
  await page.getByTestId("confirm").click();
  await page.getByText("No alias is set up yet.").waitFor();

  await goto(page, "/dashboard/keys");
  await page.getByTestId("key-name").fill("rotated");
  await page.getByTestId("key-create").click();
  await page.getByTestId("key-done").click();
  await page.getByTestId("key-rotate").click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("key-done").click();
  assert.equal(await page.getByTestId("key-row").count(), 2);
  await page.getByTestId("key-revoke").first().click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("key-row").getByText("revoked").waitFor();

  await goto(page, "/dashboard/budgets");
  await page.getByTestId("budget-limit").fill("12.50");
  await page.getByTestId("budget-save").click();
  await page.getByTestId("own-budget").getByText("of $12.50").waitFor();

  await goto(page, "/dashboard/webhooks");
  await page.getByTestId("webhook-url").fill("https://8.8.8.8/hook");
  await page.getByTestId("webhook-add").click();
  assert.match((await page.getByTestId("webhook-secret").textContent()) ?? "", /^whsec_/);
  await page.getByTestId("webhook-done").click();
  await page.getByTestId("webhook-deliveries").click();
  await page.getByTestId("webhook-delivery-list").getByText("Nothing was sent yet.").waitFor();
  await page.getByTestId("webhook-switch").click();
  await page.getByTestId("webhook-row").getByText("off", { exact: true }).waitFor();
  await page.getByTestId("webhook-delete").click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("empty").getByText("There is no webhook yet.").waitFor();
});

test("the keyboard alone is enough", async (t) => {
  const { email, token } = await newUser();
  await addProviderKey(token);
  const page = await open(t);
  await goto(page, "/dashboard");
  /** Goes by Tab to the element, as long as it takes. */
  const tabTo = async (testId) => {
    for (let presses = 0; presses < 80; presses += 1) {
      await page.keyboard.press("Tab");
      const focused = await page.evaluate(() => document.activeElement?.dataset.testid);
      if (focused === testId) return;
    }
    assert.fail(`Tab does not come to ${testId}`);
  };
  await tabTo("email");
  await page.keyboard.type(email);
  await tabTo("password");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await settled(page);
  await tabTo("nav-aliases");
  await page.keyboard.press("Enter");
  await page.getByTestId("alias-name").waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement?.tagName),
    "H1",
    "the heading of the new page has the focus",
  );
  await tabTo("alias-name");
  await page.keyboard.type("typed");
  await tabTo("alias-target");
  await page.keyboard.type("gpt-4o");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Enter");
  await page.getByTestId("alias-row").waitFor();
  assert.match(await page.getByTestId("announcement").textContent(), /The alias typed is saved/);
  await tabTo("alias-delete");
  await page.keyboard.press("Enter");
  await tabTo("confirm");
  await page.keyboard.press("Enter");
  await page.getByText("No alias is set up yet.").waitFor();
});

test("the session outlives a reload and no other tab, and its end leads back to the form", async (t) => {
  const { email, token } = await newUser();
  const page = await open(t, { expected: [401] });
  await goto(page, "/dashboard/keys");
  await signInByForm(page, email);
  await page.reload();
  await page.getByTestId("key-create").waitFor();
  const other = await page.context().newPage();
  await other.goto("/dashboard/keys");
  await other.getByTestId("login-submit").waitFor();
  await page.evaluate(() => sessionStorage.setItem("tokentracer.session", "no token"));
  await page.reload();
  await page.getByText("Your session has ended.").waitFor();
  assert.equal(typeof token, "string");
});
