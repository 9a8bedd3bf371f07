import { count, plural } from "../../lib/format";
import { rangeOf } from "../../lib/range";
import { tokensOf } from "../../lib/usage";
import { place } from "../../state/router";
import { useResource } from "../../state/resource";
import { Loaded } from "../../ui/loaded";
import { Amount } from "../../ui/money";
import { Notice } from "../../ui/notice";
import { Card, Empty, Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { ZoneNote } from "../../ui/time";
import { LogTable } from "../requests/log-table";
import { loadTurns } from "./data";

/** One session and its requests. */
export function SessionPage({ session }: { session: string }) {
  const range = rangeOf(place.value.query, new Date(), "7d");
  const key = JSON.stringify([session, range]);
  const resource = useResource(key, (signal) => loadTurns(session, range, signal));
  return (
    <Page title="Session" lead={<code class="break">{session}</code>} actions={<RangePicker range={range} />}>
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
              {!isComplete && (
                <Notice kind="info">
                  Only the newest turns are listed: the session lies among too many other requests.
                </Notice>
              )}
              <Card title="Turns">
                <LogTable rows={rows} caption="Turns, the newest first" />
              </Card>
              <ZoneNote />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}
