// Numbers, times and shares as texts.

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat("en-US", { style: "percent", maximumFractionDigits: 1 });

/** `1,234,567` */
export function count(value: number): string {
  return whole.format(value);
}

/** `1.2M`, for headings; below ten thousand it is the whole number. */
export function shortCount(value: number): string {
  return value < 10_000 ? whole.format(value) : compact.format(value);
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** `12.3%`; a nonzero share is never 0%. */
export function percentage(part: number): string {
  if (part > 0 && part < 0.001) return "<0.1%";
  return percent.format(part);
}

/** `840 ms` or `12.4 s`. */
export function duration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** The change from one number to another: `+12.3%`. Null where there is nothing to compare with. */
export function change(before: number, after: number): string | null {
  if (before === 0) return null;
  const ratio = (after - before) / before;
  const text = percent.format(Math.abs(ratio));
  return ratio > 0 ? `+${text}` : ratio < 0 ? `−${text}` : "±0%";
}

const FULL: Intl.DateTimeFormatOptions = {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
};

/** `23 Nov 2026, 14:05:09` in a zone. */
export function dateTime(at: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...FULL }).format(at);
}

/** What is told of a moment beside its day. */
export type Precision = "day" | "minute" | "second";

/** `23 Nov, 14:05` in a zone, with the year where it is not that of `now`. */
export function shortDateTime(at: Date, zone: string, now: Date, precision: Precision = "minute"): string {
  const { second, year, hour, minute, ...day } = FULL;
  const isThisYear = yearOf(at, zone) === yearOf(now, zone);
  const parts = {
    ...day,
    ...(precision !== "day" && { hour, minute }),
    ...(precision === "second" && { second }),
    ...(!isThisYear && { year }),
  };
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...parts }).format(at);
}

function yearOf(at: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, year: "numeric" }).format(at);
}

/** `23 Nov` of the day of a zone. */
export function dayName(at: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, day: "numeric", month: "short" }).format(at);
}

/** `14:00` */
export function hourName(at: Date, zone: string): string {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit" }).format(at);
}

/** The middle of a list of numbers, and the value that 95 of 100 do not exceed. Null for an empty list. */
export function quantile(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? null;
}
