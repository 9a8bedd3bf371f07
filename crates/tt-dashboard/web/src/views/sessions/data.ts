// Sessions: which there are, and the requests of one. The API has no filter for sessions, so that the hours in which a
// session asked are looked up first, and the log is read for these alone.

import { ledger, type Span } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { LogRow } from "../../api/types";
import { hourKey, spanOf, type Range } from "../../lib/range";
import { total, usageBy, type Group, type Sums } from "../../lib/usage";

const HOUR_MS = 3_600_000;
const PAGE = 500;
/** The most pages of the log that are read for one session. */
const MOST_PAGES = 10;

export async function loadSessions(range: Range, signal: AbortSignal): Promise<Group[]> {
  const query = { span: spanOf(range), zone: range.zone, filters: new Map<string, null>() };
  const groups = await usageBy(["session", "client"], query, signal);
  return groups.filter((group) => group.key[0] !== null);
}

export interface SessionTurns {
  total: Sums;
  rows: Exact<LogRow>[];
  /** True if these are all requests of the session. */
  isComplete: boolean;
}

export async function loadTurns(session: string, range: Range, signal: AbortSignal): Promise<SessionTurns> {
  const query = { span: spanOf(range), zone: "UTC", filters: new Map([["session", session]]) };
  const hours = await usageBy(["hour"], query, signal);
  const moments = hours.map((group) => Date.parse(group.key[0] ?? "")).sort((a, b) => b - a);
  const turns: SessionTurns = { total: total(hours.map((group) => group.sums)), rows: [], isComplete: true };
  let pages = 0;
  for (const span of joined(moments)) {
    let cursor: string | undefined;
    do {
      if (pages >= MOST_PAGES) return { ...turns, isComplete: false };
      const page = await ledger.logs({ ...span, limit: PAGE, cursor }, signal);
      pages += 1;
      turns.rows.push(...page.data.filter((row) => row.session === session));
      cursor = page.next_cursor ?? undefined;
    } while (cursor !== undefined);
  }
  return turns;
}

/** The spans of hours, the newest first, where hours that follow each other are one span. */
export function joined(hours: readonly number[]): Span[] {
  const spans: { from: number; to: number }[] = [];
  for (const hour of hours) {
    const last = spans.at(-1);
    if (last?.from === hour + HOUR_MS) last.from = hour;
    else spans.push({ from: hour, to: hour + HOUR_MS });
  }
  return spans.map(({ from, to }) => ({ from: hourKey(new Date(from)), to: hourKey(new Date(to)) }));
}
