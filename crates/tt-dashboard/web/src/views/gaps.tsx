// The requests that the totals leave something out of. Green when there are none.

import { ledger } from "../api/calls";
import type { Exact } from "../api/exact";
import type { GapRow, Gaps } from "../api/types";
import { plural } from "../lib/format";
import { rangeOf, spanOf } from "../lib/range";
import { filtersOf } from "../lib/usage";
import { place } from "../state/router";
import { useResource } from "../state/resource";
import { FilterBar } from "../ui/filter-bar";
import { Loaded } from "../ui/loaded";
import { Notice } from "../ui/notice";
import { Card, Page } from "../ui/page";
import { RangePicker } from "../ui/range-picker";
import { Table, type Column } from "../ui/table";
import { Time } from "../ui/time";
import { requestColumns } from "./requests/columns";

/** The most rows of each kind that the API lists. */
const MOST = 500;

const KINDS = [
  {
    name: "unpriced",
    title: "Without a price",
    why: "The tokens are known; an administrator can set the price and rate them again.",
  },
  {
    name: "unknown_usage",
    title: "Of unknown usage",
    why: "They were sent, and nothing came back: the provider may have billed them.",
  },
  { name: "interrupted", title: "Interrupted", why: "The server was stopped while it served them." },
] as const;

export function GapsView() {
  const range = rangeOf(place.value.query, new Date());
  const span = spanOf(range);
  const filters = filtersOf(place.value.query);
  const key = JSON.stringify([span, [...filters]]);
  const resource = useResource(key, (signal) => ledger.gaps(span, filters, signal));
  return (
    <Page
      title="Gaps"
      lead="The requests that the totals leave something out of."
      actions={<RangePicker range={range} />}
    >
      <FilterBar filters={filters} span={span} />
      <Loaded resource={resource} what="the gaps">
        {(gaps) => (
          <>
            <Verdict gaps={gaps} />
            {KINDS.map(({ name, title, why }) => (
              <GapList key={name} title={title} why={why} rows={gaps[name]} />
            ))}
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Verdict({ gaps }: { gaps: Exact<Gaps> }) {
  const { open, journal } = gaps;
  const isEmpty = KINDS.every(({ name }) => gaps[name].length === 0);
  return (
    <>
      {isEmpty && (
        <Notice kind="good" testId="no-gaps">
          <strong>No gaps.</strong> Every request of this time is in the totals, with its tokens and its cost.
        </Notice>
      )}
      {(open > 0 || journal.pending > 0) && (
        <Notice kind="info">
          {plural(open, "request")} of yours are open or wait to be stored; {plural(journal.pending, "settlement")} of
          all users wait in the journal
          {journal.oldest !== null && (
            <>
              , since <Time at={journal.oldest} />
            </>
          )}
          .
        </Notice>
      )}
    </>
  );
}

const COLUMNS: readonly Column<Exact<GapRow>>[] = [
  ...requestColumns<Exact<GapRow>>("minute"),
  { kind: "money", title: "Known cost", value: (row) => row.cost_usd },
  { kind: "text", title: "Error", value: (row) => row.error },
];

function GapList({ title, why, rows }: { title: string; why: string; rows: readonly Exact<GapRow>[] }) {
  if (rows.length === 0) return null;
  const number = rows.length >= MOST ? `the newest ${MOST}` : plural(rows.length, "request");
  return (
    <Card title={title} note={`${number}. ${why}`}>
      <Table caption={title} columns={COLUMNS} rows={rows} rowKey={(row) => row.request_id} file="gaps" most={50} />
    </Card>
  );
}
