// Sessions of coding agents and other clients that name theirs: the dearest first, and the requests of one.

import { rangeOf, sameRange, spanOf } from "../../lib/range";
import { filtersOf, total, type Group } from "../../lib/usage";
import { place } from "../../state/router";
import { useResource } from "../../state/resource";
import { Beside } from "../../ui/beside";
import { FilterBar } from "../../ui/filter-bar";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { Table } from "../../ui/table";
import { loadSessions } from "./data";
import { SessionPage } from "./session";

const MOST_ROWS = 50;

export function Sessions({ parameter }: { parameter: string }) {
  return parameter === "" ? <SessionList /> : <SessionPage session={parameter} />;
}

function SessionList() {
  const range = rangeOf(place.value.query, new Date(), "7d");
  const filters = filtersOf(place.value.query);
  const key = JSON.stringify([range, [...filters]]);
  const resource = useResource(key, (signal) => loadSessions(range, filters, signal));
  return (
    <Page
      title="Sessions"
      lead="Conversations of coding agents, the dearest first."
      actions={<RangePicker range={range} />}
    >
      <FilterBar filters={filters} span={spanOf(range)} />
      <Loaded resource={resource} what="the sessions">
        {(groups) =>
          groups.length === 0 ? (
            <Empty title="No request named a session in this time.">
              Claude Code, Codex and OpenCode name theirs; other clients can, with the header{" "}
              <code>x-tokentracer-session</code>. The <a href="/docs">guide</a> shows how to set agents up.
            </Empty>
          ) : (
            <Card title="The dearest first">
              <Beside sums={total(groups.map((group) => group.sums))} query={sameRange(place.value.query, range)} />
              <SessionTable groups={groups} />
            </Card>
          )
        }
      </Loaded>
    </Page>
  );
}

function SessionTable({ groups }: { groups: readonly Group[] }) {
  const all = total(groups.map((group) => group.sums));
  const rows = [...groups].sort((a, b) => Number((b.sums.cost_usd ?? -1n) - (a.sums.cost_usd ?? -1n)));
  const search = place.value.query.toString();
  const href = (session: string) =>
    `/dashboard/sessions/${encodeURIComponent(session)}${search === "" ? "" : `?${search}`}`;
  return (
    <Table
      caption="Sessions"
      rows={rows}
      rowKey={(group) => JSON.stringify(group.key)}
      file="sessions"
      isSortable
      most={MOST_ROWS}
      columns={[
        {
          kind: "text",
          title: "Session",
          value: (group) => group.key[0] ?? null,
          cell: (group) => (
            <a href={href(group.key[0] ?? "")} data-testid="session-link">
              {group.key[0]}
            </a>
          ),
          total: "Total",
        },
        { kind: "text", title: "Client", value: (group) => group.key[1] ?? null },
        { kind: "money", title: "Spend", value: (group) => group.sums.cost_usd, total: all.cost_usd },
        { kind: "number", title: "Turns", value: (group) => group.sums.requests, total: all.requests },
        { kind: "number", title: "Input", value: (group) => group.sums.input_tokens, total: all.input_tokens },
        {
          kind: "number",
          title: "Cached",
          value: (group) => group.sums.cached_input_tokens,
          total: all.cached_input_tokens,
        },
        {
          kind: "number",
          title: "Output",
          value: (group) => group.sums.output_tokens,
          total: all.output_tokens,
        },
        { kind: "number", title: "Errors", value: (group) => group.sums.errors, total: all.errors },
        {
          kind: "number",
          title: "Incomplete cost",
          value: (group) => group.sums.cost_incomplete,
          total: all.cost_incomplete,
        },
      ]}
    />
  );
}
