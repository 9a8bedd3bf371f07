import { expect, test } from "vitest";
import type { UsageRow } from "../api/calls";
import { filtersOf, groupBy, total } from "./usage";

function row(keys: Record<string, string | number | null>, cost: bigint | null, requests = 1): UsageRow {
  return {
    ...keys,
    requests,
    input_tokens: 10,
    cached_input_tokens: 1,
    cache_write_tokens: 2,
    output_tokens: 5,
    reasoning_tokens: 3,
    cost_usd: cost,
    saved_usd: 1n,
    errors: 0,
    cancelled: 0,
  };
}

test("rows of the same group are added up, and their sum is the total", () => {
  const rows = [
    row({ day: "a", alias: "x" }, 1n),
    row({ day: "a", alias: "y" }, 2n),
    row({ day: "b", alias: "x" }, null),
  ];
  const groups = groupBy(rows, ["day"]);
  expect(groups.map(({ key, sums }) => [key[0], sums.cost_usd, sums.requests])).toEqual([
    ["a", 3n, 2],
    ["b", null, 1],
  ]);
  expect(total(groups.map(({ sums }) => sums))).toEqual(total(rows));
  expect(total(rows).cost_usd).toBe(3n);
});

test("numbers and missing values are keys as well", () => {
  const groups = groupBy([row({ api_key: 7 }, 1n), row({ api_key: null }, 1n)], ["api_key"]);
  expect(groups.map(({ key }) => key[0])).toEqual(["7", null]);
});

test("filters are read from the address: known dimensions, and one tag", () => {
  const filters = filtersOf(new URLSearchParams("alias=fast&client=&tag:team=a&tag:other=b&range=7d&show=spend"));
  expect([...filters]).toEqual([
    ["alias", "fast"],
    ["client", null],
    ["tag:team", "a"],
  ]);
});
