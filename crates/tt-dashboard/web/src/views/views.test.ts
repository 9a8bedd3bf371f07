import { expect, test } from "vitest";
import type { Alias, Attempt } from "../api/types";
import type { Exact } from "../api/exact";
import { chainOf } from "./aliases/chain-of";
import { lasts } from "./budgets/lasts";
import { guides } from "./docs/guides";
import { readDocument } from "./docs/openapi";
import * as snippets from "./docs/snippets";
import { placed } from "./requests/placed";

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

test("the rest of the guide names the address too, and Prometheus gets its parts", () => {
  const values = { url: "https://llm.example.org:8443", alias: "mine" };
  for (const text of [snippets.tagSnippet, snippets.keySnippet, snippets.usageSnippet, snippets.healthSnippet]) {
    expect(text(values)).toContain(values.url);
  }
  expect(snippets.metricsSnippet(values)).toContain("scheme: https");
  expect(snippets.metricsSnippet(values)).toContain('targets: ["llm.example.org:8443"]');
});

test("attempts lie where they were in the time of the request, with the waits between them", () => {
  const attempt = (startedAt: string, latency: number | null) =>
    ({ started_at: startedAt, latency_ms: latency }) as Exact<Attempt>;
  const request = {
    created_at: "2026-11-23T12:00:00.000Z",
    latency_ms: 1000,
    attempt_list: [attempt("2026-11-23T12:00:00.100Z", 300), attempt("2026-11-23T12:00:00.500Z", null)],
  };
  expect(placed(request).map(({ start, length }) => [start, length])).toEqual([
    [0.1, 0.3],
    [0.5, 0.5],
  ]);
  // A clock that was set back moves nothing out of the picture.
  const before = placed({ ...request, attempt_list: [attempt("2026-11-23T11:59:59.000Z", 2000)] });
  expect(before.map(({ start, length }) => [start, length])).toEqual([[0, 1]]);
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
