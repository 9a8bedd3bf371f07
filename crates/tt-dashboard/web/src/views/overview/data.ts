// The data of the overview: sums of the range and of the period before it, and what stands beside them.

import { apiKeys, ledger, type Span } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { ApiKey, GapRow, Gaps, LogRow } from "../../api/types";
import { bucketSize, buckets, rangeBefore, spanBefore, spanOf, type Bucket, type Range } from "../../lib/range";
import { total, usageBy, type Dimension, type Filters, type Group, type Sums } from "../../lib/usage";

/** The rows of the log of which latencies and estimates are known: the API gives no sums of them. */
export const SAMPLE = 500;

export interface Sample {
  rows: Exact<LogRow>[];
  /** True if these are all rows of the range. */
  isComplete: boolean;
}

export interface Period {
  total: Sums;
  /** The sums of each bucket, in order. */
  byBucket: Sums[];
  sample: Sample;
}

/** What the overview shows. */
export interface Question {
  range: Range;
  filters: Filters;
  /** The dimension of the groups. */
  dimension: Dimension;
}

export interface OverviewData extends Question {
  buckets: Bucket[];
  bucketsBefore: Bucket[];
  now: Period;
  before: Period;
  /** The groups of the dimension that is shown, the dearest first. */
  groups: Group[];
  gaps: Exact<Gaps>;
  keys: Exact<ApiKey>[];
  /** The end of the period that is compared with. */
  spanBefore: Span;
}

export async function loadOverview(question: Question, signal: AbortSignal): Promise<OverviewData> {
  const { range, filters, dimension } = question;
  const moment = new Date();
  const [span, earlier] = [spanOf(range), spanBefore(range, moment)];
  const query = { span, zone: range.zone, filters };
  const [slots, slotsBefore] = [
    buckets(range, moment),
    buckets(rangeBefore(range), new Date(Date.parse(earlier.to) - 1)),
  ];
  const [now, before, groups, gaps, keys] = await Promise.all([
    loadPeriod(range, span, filters, slots, signal),
    loadPeriod(range, earlier, filters, slotsBefore, signal),
    usageBy([dimension], query, signal),
    ledger.gaps(span, signal),
    apiKeys.list(signal),
  ]);
  return {
    ...question,
    buckets: slots,
    bucketsBefore: slotsBefore,
    now,
    before,
    groups: groups.sort(byCost),
    gaps: fittingGaps(gaps, filters),
    keys,
    spanBefore: earlier,
  };
}

async function loadPeriod(
  range: Range,
  span: Span,
  filters: Filters,
  slots: readonly Bucket[],
  signal: AbortSignal,
): Promise<Period> {
  const [groups, page] = await Promise.all([
    usageBy([bucketSize(range)], { span, zone: range.zone, filters }, signal),
    ledger.logs({ ...span, limit: SAMPLE }, signal),
  ]);
  const sums = new Map(groups.map((group) => [bucketKey(group.key[0] ?? ""), group.sums]));
  return {
    total: total(groups.map((group) => group.sums)),
    byBucket: slots.map((slot) => sums.get(bucketKey(slot.key)) ?? total([])),
    sample: { rows: page.data.filter((row) => fitsRow(row, filters)), isComplete: page.next_cursor === null },
  };
}

/** Days are their own keys; hours are compared as moments. */
function bucketKey(key: string): string {
  return key.includes("T") ? String(Date.parse(key)) : key;
}

/** The dearest group first; groups without a price by their requests, after the others. */
function byCost(a: Group, b: Group): number {
  const [left, right] = [a.sums.cost_usd ?? -1n, b.sums.cost_usd ?? -1n];
  return left === right ? b.sums.requests - a.sums.requests : left < right ? 1 : -1;
}

/** True if a row of the log fits the filters. */
export function fitsRow(row: Exact<LogRow>, filters: Filters): boolean {
  return [...filters].every(([dimension, wanted]) => rowValue(row, dimension) === wanted);
}

function rowValue(row: Exact<LogRow>, dimension: Dimension): string | null {
  if (dimension.startsWith("tag:")) return row.tags[dimension.slice(4)] ?? null;
  const values: Record<string, string | number | null> = {
    alias: row.alias,
    model: row.model,
    provider: row.provider,
    api_key: row.api_key_id,
    client: row.client,
    session: row.session,
    route: row.route,
    status: row.status,
  };
  const value = values[dimension] ?? null;
  return value === null ? null : String(value);
}

/** The dimensions that the rows of gaps name. */
const OF_GAPS = new Set(["alias", "model", "provider", "api_key", "status"]);

/** The gaps that fit those filters that can be applied to them. */
function fittingGaps(gaps: Exact<Gaps>, filters: Filters): Exact<Gaps> {
  const known = [...filters].filter(([dimension]) => OF_GAPS.has(dimension));
  const fits = (row: Exact<GapRow>) =>
    known.every(([dimension, wanted]) => {
      const value =
        dimension === "api_key" ? row.api_key_id : row[dimension as "alias" | "model" | "provider" | "status"];
      return (value === null ? null : String(value)) === wanted;
    });
  return {
    ...gaps,
    interrupted: gaps.interrupted.filter(fits),
    unknown_usage: gaps.unknown_usage.filter(fits),
    unpriced: gaps.unpriced.filter(fits),
  };
}
