// Days and moments in a time zone. A day is the text `2026-11-23`.

export type Day = string;

const DAY_MS = 86_400_000;
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The zone of the viewer's system. */
export function systemZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function isZone(name: string): boolean {
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

export function isDay(text: string): boolean {
  return DAY.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text);
}

/** The day of the zone in which the moment lies. */
export function dayOf(at: Date, zone: string): Day {
  return new Date(at.getTime() + offset(at, zone)).toISOString().slice(0, 10);
}

export function plusDays(day: Day, days: number): Day {
  return new Date(Date.parse(day) + days * DAY_MS).toISOString().slice(0, 10);
}

/** The days from the first to the second: 1 for neighbours. */
export function daysBetween(first: Day, second: Day): number {
  return Math.round((Date.parse(second) - Date.parse(first)) / DAY_MS);
}

/** The first moment of a day. Where clocks are set forward at midnight, it is the first one after that. */
export function startOfDay(day: Day, zone: string): Date {
  return atLocal(Date.parse(day), zone);
}

/** The moment whose local clock shows `local`, a moment read as if it were UTC. */
export function atLocal(local: number, zone: string): Date {
  const before = offset(new Date(local - DAY_MS), zone);
  const after = offset(new Date(local + DAY_MS), zone);
  const candidates = [local - before, local - after].map((at) => new Date(at));
  const exact = candidates.find((at) => at.getTime() + offset(at, zone) === local);
  return exact ?? new Date(local - Math.min(before, after));
}

/** The milliseconds that local clocks are ahead of UTC. */
export function offset(at: Date, zone: string): number {
  const parts = clock(zone).formatToParts(at);
  const part = (type: string) => Number(parts.find((candidate) => candidate.type === type)?.value);
  const [hour, minute, second] = [part("hour"), part("minute"), part("second")];
  const local = Date.UTC(part("year"), part("month") - 1, part("day"), hour, minute, second);
  return local - Math.floor(at.getTime() / 1000) * 1000;
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string): Intl.DateTimeFormat {
  let found = clocks.get(zone);
  if (found === undefined) {
    found = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      calendar: "gregory",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    clocks.set(zone, found);
  }
  return found;
}
