// Sums of usage: asked for with the filters of a view, and added up exactly.

import { ledger, type Filters, type Span, type UsageRow } from "../api/calls";
import type { Exact } from "../api/exact";
import type { CostByClass, UsageSums } from "../api/types";
import { sum } from "./money";

export type Sums = Exact<UsageSums>;
export type CostParts = Exact<{ cost_by_class: CostByClass }>["cost_by_class"];

/** A dimension by which usage is divided: `alias`, …, or `tag:NAME`. */
export type Dimension = string;

/** The filters, with their names. */
export const FILTERS: Readonly<Record<string, string>> = {
  alias: "Alias",
  model: "Model",
  provider: "Provider",
  api_key: "API key",
  client: "Client",
  session: "Session",
  tag: "Tag",
  route: "Route",
  status: "Status",
  dialect: "Dialect",
  outcome: "Outcome",
};

const TAG = "tag:";

/** The value under which the server sums all values of a tag that it does not sum by themselves. */
const OTHER = "(other)";

export function dimensionTitle(dimension: Dimension): string {
  return dimension.startsWith(TAG) ? `Tag “${dimension.slice(TAG.length)}”` : (FILTERS[dimension] ?? dimension);
}

/** The filters in the query of an address. */
export function filtersOf(query: URLSearchParams): Filters {
  return new Map([...query].filter(([name]) => Object.hasOwn(FILTERS, name)));
}

/** The filter that keeps to a value of a dimension, as the address has it. Null where there is none. */
export function filterFor(dimension: Dimension, value: string | null): { name: string; value: string } | null {
  if (!dimension.startsWith(TAG)) return { name: dimension, value: value ?? "" };
  return value === OTHER ? null : { name: "tag", value: `${dimension.slice(TAG.length)}=${value ?? ""}` };
}

/** A group of requests, and its sums. */
export interface Group {
  /** The values of the dimensions that were asked for, in order. */
  key: (string | null)[];
  sums: Sums;
}

/** The sums of a range by some dimensions, of the requests that pass the filters. */
export async function usageBy(
  dimensions: readonly Dimension[],
  query: { span: Span; zone: string; filters: Filters },
  signal?: AbortSignal,
): Promise<Group[]> {
  const rows = await ledger.usage(query.span, dimensions, query.zone, query.filters, signal);
  return groupsOf(rows, dimensions);
}

/** The rows of an answer as groups. */
export function groupsOf(rows: readonly UsageRow[], dimensions: readonly Dimension[]): Group[] {
  return rows.map((row) => ({ key: dimensions.map((dimension) => valueOf(row, dimension)), sums: row }));
}

function valueOf(row: UsageRow, dimension: Dimension): string | null {
  const value = row[dimension];
  return typeof value === "string" || typeof value === "number" ? String(value) : null;
}

/** The sums of all. Costs that are not known are left out; if none is known, the sum is not known. A number that is not
 * known of one is not known of all. */
export function total(all: readonly Sums[]): Sums {
  const count = (of: (sums: Sums) => number) => all.reduce((before, sums) => before + of(sums), 0);
  const known = (of: (sums: Sums) => number | null) =>
    all.reduce<number | null>((before, sums) => plus(before, of(sums)), 0);
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
    cost_incomplete: count((sums) => sums.cost_incomplete),
    estimated: known((sums) => sums.estimated),
    partial: known((sums) => sums.partial),
    unknown: known((sums) => sums.unknown),
    unpriced: known((sums) => sums.unpriced),
    interrupted: known((sums) => sums.interrupted),
    latency_ms_sum: known((sums) => sums.latency_ms_sum),
    first_token_ms_sum: known((sums) => sums.first_token_ms_sum),
    first_token_count: known((sums) => sums.first_token_count),
    cost_by_class: costParts(all),
  };
}

function plus(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b;
}

/** The costs by class, added up. Null where there are costs and none is known. */
function costParts(all: readonly Sums[]): CostParts | null {
  const known = all.map((sums) => sums.cost_by_class).filter((parts) => parts !== null);
  if (all.length > 0 && known.length === 0) return null;
  const part = (of: (parts: CostParts) => bigint) => known.reduce((before, parts) => before + of(parts), 0n);
  return {
    input: part((parts) => parts.input),
    cached_input: part((parts) => parts.cached_input),
    cache_write: part((parts) => parts.cache_write),
    output: part((parts) => parts.output),
    fees: part((parts) => parts.fees),
    unclassified: part((parts) => parts.unclassified),
  };
}

export function tokensOf(sums: Sums): number {
  return sums.input_tokens + sums.output_tokens;
}

/** The mean time to the first token in milliseconds, over all requests that had one. */
export function meanFirstToken(sums: Sums): number | null {
  return mean(sums.first_token_ms_sum, sums.first_token_count);
}

/** The mean time of an answer in milliseconds, over all requests. */
export function meanLatency(sums: Sums): number | null {
  return mean(sums.latency_ms_sum, sums.requests);
}

function mean(whole: number | null, count: number | null): number | null {
  return whole === null || count === null || count === 0 ? null : whole / count;
}
