// Sessions: which there are, and the requests of one.

import { ledger, type Filters } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { LogRow } from "../../api/types";
import { spanOf, type Range } from "../../lib/range";
import { total, usageBy, type Group, type Sums } from "../../lib/usage";

const PAGE = 500;
/** The most pages of the log that are read for one session. */
const MOST_PAGES = 10;

export async function loadSessions(range: Range, filters: Filters, signal: AbortSignal): Promise<Group[]> {
  const query = { span: spanOf(range), zone: range.zone, filters };
  const groups = await usageBy(["session", "client"], query, signal);
  return groups.filter((group) => group.key[0] !== null);
}

export interface SessionTurns {
  total: Sums;
  rows: Exact<LogRow>[];
  /** True if these are all requests of the session. */
  isComplete: boolean;
}

/** The requests of a session that pass the other filters too. */
export async function loadTurns(
  session: string,
  range: Range,
  others: Filters,
  signal: AbortSignal,
): Promise<SessionTurns> {
  const span = spanOf(range);
  const filters = new Map([...others, ["session", session]]);
  const groups = await usageBy([], { span, zone: range.zone, filters }, signal);
  const rows: Exact<LogRow>[] = [];
  let cursor: string | undefined;
  for (let pages = 0; pages < MOST_PAGES; pages += 1) {
    const page = await ledger.logs(span, { limit: PAGE, cursor }, filters, signal);
    rows.push(...page.data);
    cursor = page.next_cursor ?? undefined;
    if (cursor === undefined) break;
  }
  return { total: total(groups.map((group) => group.sums)), rows, isComplete: cursor === undefined };
}
