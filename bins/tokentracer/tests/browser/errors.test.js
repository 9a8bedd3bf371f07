// Errors: each says what failed, keeps the form, and can be got over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { goto, open, openAs, settled, VIEWS } from "./browser.js";
import { addAlias, addProviderKey, newUser, PASSWORD } from "./server.js";

test("a wrong password and a taken email keep the form", async (t) => {
  const { email } = await newUser();
  const page = await open(t, { expected: [401, 409, 400] });
  await goto(page, "/dashboard");
  await page.getByTestId("email").fill(email);
  await page.getByTestId("password").fill("another password");
  await page.getByTestId("login-submit").click();
  await page.getByTestId("problem").getByText("You are not signed in.").waitFor();
  assert.equal(await page.getByTestId("email").inputValue(), email);

  await page.getByTestId("tab-signup").click();
  await page.getByTestId("email").fill(email);
  await page.getByTestId("password").fill(PASSWORD);
  await page.getByTestId("signup-submit").click();
  await page.getByTestId("problem").getByText("You are not signed up.").waitFor();
  await page.getByTestId("password").fill("password");
  await page.getByTestId("email").fill(`new-${email}`);
  await page.getByTestId("signup-submit").click();
  await page.getByTestId("problem").waitFor();
  assert.equal(await page.getByTestId("password").inputValue(), "password");
});

test("refused fields are named where they are, and keep what was typed", async (t) => {
  const { token } = await newUser();
  const key = await addProviderKey(token);
  const taken = await addAlias(token, "taken", "gpt-4o", key);
  await addAlias(token, "after", "gpt-4o", key, { fallback_alias_id: taken.id });
  const page = await openAs(t, token, "/dashboard/aliases", { expected: [400, 404, 409] });

  await page.getByTestId("alias-name").fill("not a name");
  await page.getByTestId("alias-target").fill("gpt-4o");
  await page.getByTestId("alias-add").click();
  await page.getByTestId("problem").getByText("The alias is not saved.").waitFor();
  assert.equal(await page.getByTestId("alias-name").getAttribute("aria-invalid"), "true");
  assert.equal(await page.getByTestId("alias-name").inputValue(), "not a name");

  // What others fall back to stays.
  await page.getByTestId("alias-row").filter({ hasText: "taken" }).first().getByTestId("alias-delete").click();
  await page.getByTestId("confirm").click();
  await page.getByTestId("problem").getByText("The alias is not deleted.").waitFor();
  await page.keyboard.press("Escape");

  await page.getByTestId("try-model").fill("nobody");
  await page.getByTestId("try-submit").click();
  await page.getByTestId("problem").getByText("There is no route.").waitFor();

  await goto(page, "/dashboard/providers");
  await page.getByTestId("provider-key").fill("with a blank");
  await page.getByTestId("provider-base-url").fill("ftp://nowhere");
  await page.getByTestId("provider-add").click();
  await page.getByTestId("problem").getByText("The key is not stored.").waitFor();
  assert.equal(await page.getByTestId("provider-base-url").inputValue(), "ftp://nowhere");

  await goto(page, "/dashboard/budgets");
  await page.getByTestId("budget-limit").fill("a lot");
  await page.getByTestId("budget-save").click();
  await page.getByTestId("problem").getByText("Write an amount of US dollars").waitFor();

  await goto(page, "/dashboard/whatif?other=openai/nobody-lists-this");
  await page.getByTestId("problem").getByText("Loading the comparison failed.").waitFor();
  await goto(page, "/dashboard/requests/0193-no-request");
  await page.getByTestId("problem").getByText("Loading the request failed.").waitFor();
  await goto(page, "/dashboard/nowhere");
  await page.getByText("There is no such page.").waitFor();
});

for (const failure of ["away", "broken"]) {
  test(`a server that is ${failure} is named on every page, and trying again helps`, async (t) => {
    const { token } = await newUser();
    const page = await openAs(t, token, "/dashboard/account", { expected: [500, undefined, Number.NaN] });
    const pattern = /\/(auth|manage|v1)\//;
    const answer = (route) =>
      failure === "away"
        ? route.abort()
        : route.fulfill({ status: 500, contentType: "text/html", body: "<h1>no</h1>" });
    for (const [id, path] of Object.entries(VIEWS)) {
      if (id === "nav-users" || id === "nav-whatif") continue;
      await page.route(pattern, answer);
      await page.goto(path);
      await page.getByTestId("problem").first().waitFor();
      await page.unroute(pattern, answer);
      await page.getByRole("button", { name: "Try again" }).first().click();
      await settled(page);
      assert.equal(await page.getByTestId("problem").count(), 0, path);
    }
  });
}

test("a provider that refuses a key is told beside the key", async (t) => {
  const { token } = await newUser();
  await addProviderKey(token, "anthropic");
  const page = await openAs(t, token, "/dashboard/providers");
  await page.getByTestId("provider-edit").click();
  await page.getByTestId("edit-key").fill("not-a-key-of-anthropic");
  await page.getByTestId("edit-save").click();
  await page.getByTestId("announcement").getByText("The key is changed.").waitFor();
  await page.getByTestId("provider-test").click();
  await page.getByTestId("provider-test-result").getByText("The test failed").waitFor();
});
