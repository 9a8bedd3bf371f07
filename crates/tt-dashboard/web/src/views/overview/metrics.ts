// The measures of the overview: their totals, their values over time, and how they are written.

import { duration, hourName, dayName, shortCount } from "../../lib/format";
import { approximate, forChart, type Nano } from "../../lib/money";
import { bucketSize } from "../../lib/range";
import { meanFirstToken, meanLatency, tokensOf, type Sums } from "../../lib/usage";
import type { Column } from "../../ui/table";
import type { ChartPoint } from "../../ui/chart";
import type { OverviewData, Period } from "./data";

export type MetricName = "spend" | "saved" | "requests" | "tokens" | "errors" | "first_token" | "latency";

/** An exact value: money, a number, or unknown. */
export type MetricValue = Nano | number | null;

export interface Metric {
  name: MetricName;
  title: string;
  /** The unit of the table's columns. A mean is of all requests, in milliseconds: its parts do not add up. */
  kind: "money" | "number" | "mean";
  total: (period: Period) => MetricValue;
  perBucket: (period: Period) => MetricValue[];
  format: (value: number) => string;
  /** True where less is better. */
  isCost: boolean;
}

const money = (value: number) => approximate(BigInt(Math.round(value * 1e9)));
const bySums = (of: (sums: Sums) => MetricValue) => ({
  total: (period: Period) => of(period.total),
  perBucket: (period: Period) => period.byBucket.map(of),
});

export const METRICS: readonly Metric[] = [
  { name: "spend", title: "Spend", kind: "money", format: money, isCost: true, ...bySums((sums) => sums.cost_usd) },
  { name: "saved", title: "Saved", kind: "money", format: money, isCost: false, ...bySums((sums) => sums.saved_usd) },
  {
    name: "requests",
    title: "Requests",
    kind: "number",
    format: shortCount,
    isCost: false,
    ...bySums((sums) => sums.requests),
  },
  { name: "tokens", title: "Tokens", kind: "number", format: shortCount, isCost: false, ...bySums(tokensOf) },
  {
    name: "errors",
    title: "Errors",
    kind: "number",
    format: shortCount,
    isCost: true,
    ...bySums((sums) => sums.errors),
  },
  { name: "first_token", title: "First token", kind: "mean", format: duration, isCost: true, ...bySums(meanFirstToken) },
  { name: "latency", title: "Latency", kind: "mean", format: duration, isCost: true, ...bySums(meanLatency) },
];

/** A bucket with its values, as chart and table show it. */
export interface Point {
  name: string;
  now: MetricValue;
  before: MetricValue;
  isUnfinished: boolean;
}

export function pointsOf(metric: Metric, data: OverviewData): Point[] {
  const { range } = data;
  const now = metric.perBucket(data.now);
  const before = data.before === null ? [] : metric.perBucket(data.before);
  const name = bucketSize(range) === "hour" ? hourName : dayName;
  return data.buckets.map((bucket, index) => ({
    name: name(bucket.start, range.zone),
    now: now[index] ?? null,
    before: before[index] ?? null,
    isUnfinished: bucket.isUnfinished,
  }));
}

export function chartPoint(point: Point): ChartPoint {
  return { ...point, value: asNumber(point.now), before: asNumber(point.before) };
}

function asNumber(value: MetricValue): number | null {
  return typeof value === "bigint" ? forChart(value) : value;
}

export function asDecimal(value: MetricValue): number {
  return asNumber(value) ?? 0;
}

/** The columns of the table with the numbers of the chart. */
export function pointColumns(metric: Metric, data: OverviewData): Column<Point>[] {
  const [now, before] = [metric.total(data.now), data.before === null ? null : metric.total(data.before)];
  const name: Column<Point> = {
    kind: "text",
    title: `${bucketSize(data.range) === "hour" ? "Hour" : "Day"} (${data.range.zone})`,
    value: (point) => point.name + (point.isUnfinished ? " (not over yet)" : ""),
    total: metric.kind === "mean" ? "All requests" : "Total",
  };
  if (metric.kind === "money") {
    return [
      name,
      { kind: "money", title: metric.title, value: (point) => point.now as Nano | null, total: now },
      { kind: "money", title: "The period before", value: (point) => point.before as Nano | null, total: before },
    ];
  }
  const title = metric.kind === "mean" ? `${metric.title}, mean ms` : metric.title;
  const rounded = (value: MetricValue) => (value === null ? null : Math.round(Number(value)));
  return [
    name,
    { kind: "number", title, value: (point) => rounded(point.now), total: rounded(now) },
    { kind: "number", title: "The period before", value: (point) => rounded(point.before), total: rounded(before) },
  ];
}
