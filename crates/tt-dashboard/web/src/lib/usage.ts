// Sums of usage: asked for with the filters of a view, and added up exactly.

import { ledger, type Span, type UsageRow } from "../api/calls";
import type { Exact } from "../api/exact";
import type { UsageSums } from "../api/types";
import { sum } from "./money";

export type Sums = Exact<UsageSums>;

/** A dimension by which usage is divided: `alias`, …, or `tag:NAME`. */
export type Dimension = string;

/** The values that dimensions must have. Null: requests without one. */
export type Filters = ReadonlyMap<Dimension, string | null>;

/** The dimensions that can be filters, with their names. Beside these there are tags. */
export const DIMENSIONS: Readonly<Record<string, string>> = {
  alias: "Alias",
  model: "Model",
  provider: "Provider",
  api_key: "API key",
  client: "Client",
  session: "Session",
  route: "Route",
  status: "Status",
};

const TAG = "tag:";

export function dimensionTitle(dimension: Dimension): string {
  return dimension.startsWith(TAG) ? `Tag “${dimension.slice(TAG.length)}”` : (DIMENSIONS[dimension] ?? dimension);
}

/** The filters in the query of an address. A filter without a value is one for requests that have none. */
export function filtersOf(query: URLSearchParams): Filters {
  const filters = new Map<Dimension, string | null>();
  for (const [name, value] of query) {
    const isFilter = Object.hasOwn(DIMENSIONS, name) || (name.startsWith(TAG) && name.length > TAG.length);
    const isSecondTag = name.startsWith(TAG) && [...filters.keys()].some((other) => other.startsWith(TAG));
    if (isFilter && !isSecondTag) filters.set(name, value === "" ? null : value);
  }
  return filters;
}

/** A group of requests, and its sums. */
export interface Group {
  /** The values of the dimensions that were asked for, in order. */
  key: (string | null)[];
  sums: Sums;
}

/** The sums of a range by some dimensions, of the requests that fit the filters. */
export async function usageBy(
  dimensions: readonly Dimension[],
  query: { span: Span; zone: string; filters: Filters },
  signal?: AbortSignal,
): Promise<Group[]> {
  const asked = [...new Set([...dimensions, ...query.filters.keys()])];
  const rows = await ledger.usage(query.span, asked, query.zone, signal);
  return groupBy(
    rows.filter((row) => fits(row, query.filters)),
    dimensions,
  );
}

function fits(row: UsageRow, filters: Filters): boolean {
  return [...filters].every(([dimension, wanted]) => valueOf(row, dimension) === wanted);
}

function valueOf(row: UsageRow, dimension: Dimension): string | null {
  const value = row[dimension];
  return value === null || value === undefined ? null : String(value);
}

/** Adds up the rows that have the same values in these dimensions. */
export function groupBy(rows: readonly UsageRow[], dimensions: readonly Dimension[]): Group[] {
  const groups = new Map<string, { key: (string | null)[]; rows: UsageRow[] }>();
  for (const row of rows) {
    const key = dimensions.map((dimension) => valueOf(row, dimension));
    const name = JSON.stringify(key);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { key, rows: [row] });
    else group.rows.push(row);
  }
  return [...groups.values()].map((group) => ({ key: group.key, sums: total(group.rows) }));
}

/** The sums of all. Costs that are not known are left out; if none is known, the sum is not known. */
export function total(all: readonly Sums[]): Sums {
  const count = (of: (sums: Sums) => number) => all.reduce((before, sums) => before + of(sums), 0);
  return {
    requests: count((sums) => sums.requests),
    input_tokens: count((sums) => sums.input_tokens),
    cached_input_tokens: count((sums) => sums.cached_input_tokens),
    cache_write_tokens: count((sums) => sums.cache_write_tokens),
    output_tokens: count((sums) => sums.output_tokens),
    reasoning_tokens: count((sums) => sums.reasoning_tokens),
    cost_usd: sum(all.map((sums) => sums.cost_usd)),
    saved_usd: sum(all.map((sums) => sums.saved_usd)) ?? 0n,
    errors: count((sums) => sums.errors),
    cancelled: count((sums) => sums.cancelled),
  };
}

export function tokensOf(sums: Sums): number {
  return sums.input_tokens + sums.output_tokens;
}
