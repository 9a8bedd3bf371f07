// The data of the overview: sums of the range and of the period before it, and what stands beside them.

import { apiKeys, ledger, type Filters, type Span } from "../../api/calls";
import { ApiProblem } from "../../api/client";
import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import { bucketSize, buckets, rangeBefore, spanBefore, spanOf, type Bucket, type Range } from "../../lib/range";
import { total, usageBy, type Dimension, type Group, type Sums } from "../../lib/usage";

export interface Period {
  total: Sums;
  /** The sums of each bucket, in order. */
  byBucket: Sums[];
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
  /** Null where the requests of that time are not kept any more, and the filters need them: the sums do not know them. */
  before: Period | null;
  /** The groups of the dimension that is shown, the dearest first. */
  groups: Group[];
  /** The requests that are not stored yet. */
  open: number;
  keys: Exact<ApiKey>[];
  /** The names of the tags of this time. */
  tags: string[];
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
  const [now, before, groups, gaps, keys, tags] = await Promise.all([
    loadPeriod(range, span, filters, slots, signal),
    loadPeriod(range, earlier, filters, slotsBefore, signal).catch(ifNotKept),
    usageBy([dimension], query, signal),
    // The requests that are open have no range; those that are stored are in the sums.
    ledger.gaps({ from: span.to, to: span.to }, new Map(), signal),
    apiKeys.list(signal),
    ledger.tags(span, signal),
  ]);
  return {
    ...question,
    buckets: slots,
    bucketsBefore: slotsBefore,
    now,
    before,
    groups: groups.sort(byCost),
    open: gaps.open,
    keys,
    tags: tags.map(({ name }) => name),
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
  const groups = await usageBy([bucketSize(range)], { span, zone: range.zone, filters }, signal);
  const sums = new Map(groups.map((group) => [bucketKey(group.key[0] ?? ""), group.sums]));
  return {
    total: total(groups.map((group) => group.sums)),
    byBucket: slots.map((slot) => sums.get(bucketKey(slot.key)) ?? total([])),
  };
}

/** The answer where the rows of a period are gone. What else went wrong is thrown again. */
function ifNotKept(problem: unknown): null {
  if (problem instanceof ApiProblem && problem.status === 400 && problem.param === "from") return null;
  throw problem;
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
