// The range of days that a view shows: as the address names it, its bounds, its buckets, and the period before it.

import type { Span } from "../api/calls";
import { dayOf, daysBetween, isDay, isZone, plusDays, startOfDay, systemZone, type Day } from "./time";

export const PRESETS = {
  today: "Today",
  "7d": "7 days",
  "30d": "30 days",
  "90d": "90 days",
  month: "This month",
} as const;

export type Preset = keyof typeof PRESETS;

/** Whole days of a zone, both ends included. */
export interface Range {
  preset: Preset | null;
  first: Day;
  last: Day;
  zone: string;
}

export interface Bucket {
  /** The value of the API's `day` or `hour`. */
  key: string;
  /** The first moment of the bucket. */
  start: Date;
  /** True if the bucket is not over yet. */
  isUnfinished: boolean;
}

/** Ranges of more days are shown by day, others by hour. */
const MOST_DAYS_BY_HOUR = 2;
const LONGEST_DAYS = 3660;
const HOUR_MS = 3_600_000;

/** The range that the query of an address names: `range=7d`, or `from` and `to`, and `tz`. */
export function rangeOf(query: URLSearchParams, now: Date, fallback: Preset = "30d"): Range {
  const named = query.get("tz");
  const zone = named !== null && isZone(named) ? named : systemZone();
  const [first, last] = [query.get("from") ?? "", query.get("to") ?? ""];
  if (isDay(first) && isDay(last) && first <= last && daysBetween(first, last) < LONGEST_DAYS) {
    return { preset: null, first, last, zone };
  }
  const name = query.get("range") ?? fallback;
  return presetRange(isPreset(name) ? name : fallback, zone, now);
}

/** What the address says of one view alone. */
const OF_ONE_VIEW = ["by", "show", "cursor", "other"];

/** The query of another view with the same filters and the same range, whatever that view shows where none is named. */
export function sameRange(query: URLSearchParams, range: Range): URLSearchParams {
  const same = new URLSearchParams(query);
  for (const name of OF_ONE_VIEW) same.delete(name);
  if (range.preset !== null) same.set("range", range.preset);
  return same;
}

export function isPreset(name: string): name is Preset {
  return Object.hasOwn(PRESETS, name);
}

export function presetRange(preset: Preset, zone: string, now: Date): Range {
  const today = dayOf(now, zone);
  const firsts: Record<Preset, Day> = {
    today,
    "7d": plusDays(today, -6),
    "30d": plusDays(today, -29),
    "90d": plusDays(today, -89),
    month: `${today.slice(0, 8)}01`,
  };
  return { preset, first: firsts[preset], last: today, zone };
}

/** The moments at which the range begins and ends; the end does not belong to it. */
export function spanOf(range: Range): Span {
  return {
    from: startOfDay(range.first, range.zone).toISOString(),
    to: startOfDay(plusDays(range.last, 1), range.zone).toISOString(),
  };
}

/** As many days just before a range. */
export function rangeBefore(range: Range): Range {
  const days = daysBetween(range.first, range.last) + 1;
  return { preset: null, first: plusDays(range.first, -days), last: plusDays(range.first, -1), zone: range.zone };
}

/** The span of the range before. Where the range is not over, the time that has not come yet is left out there too. */
export function spanBefore(range: Range, now: Date): Span {
  const before = rangeBefore(range);
  const span = spanOf(before);
  if (Date.parse(spanOf(range).to) <= now.getTime()) return span;
  const today = dayOf(now, range.zone);
  const elapsed = now.getTime() - startOfDay(today, range.zone).getTime();
  const day = plusDays(today, daysBetween(range.first, before.first));
  const edge = startOfDay(day, range.zone).getTime() + elapsed;
  // The edge is on a full hour, whose sums are kept for ever.
  const hour = Math.floor(edge / HOUR_MS) * HOUR_MS;
  return { from: span.from, to: new Date(Math.max(Date.parse(span.from), hour)).toISOString() };
}

/** The dimension of the API by which the range is divided. */
export function bucketSize(range: Range): "day" | "hour" {
  return daysBetween(range.first, range.last) < MOST_DAYS_BY_HOUR ? "hour" : "day";
}

/** The buckets of a range that have begun. */
export function buckets(range: Range, now: Date): Bucket[] {
  return bucketSize(range) === "hour" ? hours(range, now) : days(range, now);
}

function days(range: Range, now: Date): Bucket[] {
  const found: Bucket[] = [];
  const count = daysBetween(range.first, range.last) + 1;
  for (let index = 0; index < count; index += 1) {
    const key = plusDays(range.first, index);
    const start = startOfDay(key, range.zone);
    if (start > now) break;
    found.push({ key, start, isUnfinished: startOfDay(plusDays(key, 1), range.zone) > now });
  }
  return found;
}

function hours(range: Range, now: Date): Bucket[] {
  const span = spanOf(range);
  const found: Bucket[] = [];
  const first = Math.floor(Date.parse(span.from) / HOUR_MS) * HOUR_MS;
  for (let at = first; at < Date.parse(span.to) && at <= now.getTime(); at += HOUR_MS) {
    const start = new Date(at);
    found.push({ key: hourKey(start), start, isUnfinished: at + HOUR_MS > now.getTime() });
  }
  return found;
}

/** The hour of a moment, as the API writes it. */
export function hourKey(at: Date): string {
  return `${at.toISOString().slice(0, 13)}:00:00Z`;
}
