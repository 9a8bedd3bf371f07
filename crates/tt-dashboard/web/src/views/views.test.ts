import { expect, test } from "vitest";
import type { Alias } from "../api/types";
import { chainOf } from "./aliases/chain-of";
import { lasts } from "./budgets/lasts";
import { guides } from "./docs/guides";
import { readDocument } from "./docs/openapi";

const NOW = new Date("2026-11-23T12:00:00Z");

function alias(id: number, fallback: number | null): Alias {
  return {
    id,
    alias: `a${id}`,
    target_model: "m",
    provider_key_id: 1,
    provider: "openai",
    fallback_alias_id: fallback,
    use_light_model: false,
    light_model_threshold: 100,
    light_model: null,
    created_at: "2026-01-01T00:00:00Z",
  };
}

test("a chain of fallbacks ends, also where it is a circle", () => {
  const all = [alias(1, 2), alias(2, 3), alias(3, 1), alias(4, 9)];
  expect(
    all
      .slice(0, 1)
      .flatMap((first) => chainOf(first, all))
      .map(({ id }) => id),
  ).toEqual([1, 2, 3]);
  expect(
    all
      .slice(3)
      .flatMap((first) => chainOf(first, all))
      .map(({ id }) => id),
  ).toEqual([4]);
});

test("a budget lasts as long as its rest at the rate of the last days", () => {
  expect(lasts(10n, 3n, null, NOW)).toBe("it lasts for 3 days");
  expect(lasts(2n, 3n, null, NOW)).toBe("it is used up within a day");
  expect(lasts(0n, 3n, null, NOW)).toBe("it is used up");
  expect(lasts(10n, 0n, null, NOW)).toBe("it lasts: nothing was spent");
  expect(lasts(30n, 3n, "2026-12-01T00:00:00Z", NOW)).toBe("it lasts until it begins anew");
});

test("the guide names the visitor's address and alias in every client", () => {
  for (const { id, snippets } of guides({ url: "https://llm.example.org", alias: "mine" })) {
    const text = snippets.map((snippet) => snippet.text).join("\n");
    expect(text, id).toContain("https://llm.example.org");
    expect(id === "claude-code" || text.includes("mine"), id).toBe(true);
  }
});

test("the reference lists the operations of a description, whatever else is in it", () => {
  const document = {
    info: { version: "1" },
    paths: { "/a": { get: { summary: "s", responses: { 200: {}, 401: {} } }, parameters: [] } },
  };
  expect(readDocument(document)).toEqual({
    version: "1",
    operations: [{ method: "GET", path: "/a", summary: "s", statuses: ["200", "401"] }],
  });
  expect(readDocument("nonsense").operations).toEqual([]);
});
