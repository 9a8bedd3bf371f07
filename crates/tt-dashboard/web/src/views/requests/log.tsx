import { useState } from "preact/hooks";
import { ledger } from "../../api/calls";
import { spanOf, rangeOf } from "../../lib/range";
import { filtersOf } from "../../lib/usage";
import { navigate, place, setQuery } from "../../state/router";
import { useResource } from "../../state/resource";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { FilterBar } from "../../ui/filter-bar";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { requestHref } from "./href";
import { LogTable } from "./log-table";

const PAGE = 50;

export function Log() {
  const { query } = place.value;
  const range = rangeOf(query, new Date(), "7d");
  const [span, filters] = [spanOf(range), filtersOf(query)];
  const page = { limit: PAGE, cursor: query.get("cursor") ?? undefined };
  const key = JSON.stringify([span, page, [...filters]]);
  const resource = useResource(key, (signal) => ledger.logs(span, page, filters, signal));
  return (
    <Page title="Requests" actions={<RangePicker range={range} />}>
      <div class="filters">
        <FilterBar filters={filters} span={span} />
        <RequestById />
      </div>
      <Loaded resource={resource} what="the requests">
        {({ data, next_cursor: next }) =>
          data.length === 0 ? (
            <Empty title="No request fits.">
              Choose a longer range or fewer filters. The <a href="/docs">guide</a> shows how to send a request.
            </Empty>
          ) : (
            <>
              <Card title="The newest first">
                <LogTable rows={data} caption="Requests, the newest first" />
              </Card>
              <Pager next={next} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

/** The form that opens a request by its id. */
function RequestById() {
  const [id, setId] = useState("");
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        if (id.trim() !== "") navigate(requestHref(id.trim()));
      }}
    >
      <TextField
        label="Request id"
        hideLabel
        type="search"
        placeholder="Request id"
        value={id}
        testId="request-id"
        onValue={setId}
      />
      <Button type="submit" testId="request-open">
        Open
      </Button>
    </form>
  );
}

function Pager({ next }: { next: string | null }) {
  const isFirst = place.value.query.get("cursor") === null;
  return (
    <nav class="form-foot" aria-label="Pages">
      {!isFirst && <Button onClick={() => setQuery({ cursor: null })}>Newest</Button>}
      {next !== null && (
        <Button testId="older" onClick={() => setQuery({ cursor: next })}>
          Older
        </Button>
      )}
    </nav>
  );
}
