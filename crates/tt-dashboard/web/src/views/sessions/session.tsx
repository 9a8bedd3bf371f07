import { count, plural } from "../../lib/format";
import { rangeOf, sameRange, spanOf, type Range } from "../../lib/range";
import { filtersOf, tokensOf } from "../../lib/usage";
import { place } from "../../state/router";
import { useResource } from "../../state/resource";
import { Beside } from "../../ui/beside";
import { FilterBar } from "../../ui/filter-bar";
import { Loaded } from "../../ui/loaded";
import { Amount } from "../../ui/money";
import { Notice } from "../../ui/notice";
import { Card, Empty, Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { LogTable } from "../requests/log-table";
import { loadTurns } from "./data";

/** The range and the filters of the page, with that for the session. */
function withSession(session: string, range: Range): URLSearchParams {
  const query = sameRange(place.value.query, range);
  query.set("session", session);
  return query;
}

/** One session and its requests. */
export function SessionPage({ session }: { session: string }) {
  const range = rangeOf(place.value.query, new Date(), "7d");
  const filters = filtersOf(place.value.query);
  const key = JSON.stringify([session, range, [...filters]]);
  const resource = useResource(key, (signal) => loadTurns(session, range, filters, signal));
  return (
    <Page title="Session" lead={<code class="break">{session}</code>} actions={<RangePicker range={range} />}>
      <FilterBar filters={filters} span={spanOf(range)} without="session" />
      <Loaded resource={resource} what="the session">
        {({ total, rows, isComplete }) =>
          total.requests === 0 ? (
            <Empty title="The session has no request in this time.">
              Choose a longer range, or another of the <a href="/dashboard/sessions">sessions</a>.
            </Empty>
          ) : (
            <>
              <p>
                <Amount amount={total.cost_usd} testId="session-cost" /> for {plural(total.requests, "turn")} with{" "}
                {count(tokensOf(total))} tokens
              </p>
              <Beside sums={total} query={withSession(session, range)} />
              {!isComplete && (
                <Notice kind="info">Only the newest {count(rows.length)} turns are listed.</Notice>
              )}
              <Card title="Turns">
                <LogTable rows={rows} caption="Turns, the newest first" />
              </Card>
            </>
          )
        }
      </Loaded>
    </Page>
  );
}
