import { expect, test } from "vitest";
import type { UsageRow } from "../api/calls";
import { filterFor, filtersOf, groupsOf, meanFirstToken, meanLatency, total } from "./usage";

function row(keys: Record<string, string | number | null>, cost: bigint | null, estimated: number | null = 1): UsageRow {
  return {
    ...keys,
    requests: 2,
    input_tokens: 10,
    cached_input_tokens: 1,
    cache_write_tokens: 2,
    output_tokens: 5,
    reasoning_tokens: 3,
    cost_usd: cost,
    saved_usd: 1n,
    errors: 0,
    cancelled: 0,
    cost_incomplete: cost === null ? 2 : 0,
    estimated,
    partial: 0,
    unknown: 0,
    unpriced: 0,
    interrupted: 0,
    latency_ms_sum: 500,
    first_token_ms_sum: 90,
    first_token_count: 1,
    cost_by_class:
      cost === null
        ? null
        : { input: cost, cached_input: 0n, cache_write: 0n, output: 0n, fees: 0n, unclassified: 0n },
  };
}

test("the sum of rows has their exact costs, and the parts of these", () => {
  const all = total([row({ day: "a" }, 1n), row({ day: "b" }, 2n), row({ day: "c" }, null)]);
  expect([all.cost_usd, all.cost_by_class?.input, all.requests, all.cost_incomplete]).toEqual([3n, 3n, 6, 2]);
  expect(total([row({}, null)]).cost_by_class).toBeNull();
  expect(total([]).cost_by_class?.output).toBe(0n);
});

test("a number that is not known of one row is not known of all", () => {
  expect(total([row({}, 1n), row({}, 1n)]).estimated).toBe(2);
  expect(total([row({}, 1n), row({}, 1n, null)]).estimated).toBeNull();
});

test("means are those of all rows", () => {
  const all = total([row({}, 1n), row({}, 1n)]);
  expect([meanLatency(all), meanFirstToken(all)]).toEqual([250, 90]);
  expect(meanLatency(total([]))).toBeNull();
});

test("numbers and missing values are keys as well", () => {
  const groups = groupsOf([row({ api_key: 7 }, 1n), row({ api_key: null }, 1n)], ["api_key"]);
  expect(groups.map(({ key }) => key[0])).toEqual(["7", null]);
});

test("filters are read from the address, and nothing else", () => {
  const filters = filtersOf(new URLSearchParams("alias=fast&client=&tag=team%3Da&range=7d&show=spend&toString=x"));
  expect([...filters]).toEqual([
    ["alias", "fast"],
    ["client", ""],
    ["tag", "team=a"],
  ]);
});

test("each group has the filter that keeps to it", () => {
  expect(filterFor("client", null)).toEqual({ name: "client", value: "" });
  expect(filterFor("tag:team", "a")).toEqual({ name: "tag", value: "team=a" });
  expect(filterFor("tag:team", null)).toEqual({ name: "tag", value: "team=" });
  expect(filterFor("tag:team", "(other)")).toBeNull();
});
