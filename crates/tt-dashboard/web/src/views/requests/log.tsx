import { useState } from "preact/hooks";
import { ledger, type LogFilter } from "../../api/calls";
import { spanOf, rangeOf } from "../../lib/range";
import { navigate, place, setQuery } from "../../state/router";
import { useResource } from "../../state/resource";
import { Button } from "../../ui/button";
import { SelectField, TextField } from "../../ui/field";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { ZoneNote } from "../../ui/time";
import { requestHref } from "./href";
import { LogTable } from "./log-table";

const PAGE = 50;
const FILTERS = ["alias", "provider", "status"] as const;
const PROVIDERS = ["openai", "anthropic", "gemini"];

export function Log() {
  const { query } = place.value;
  const range = rangeOf(query, new Date(), "7d");
  const filter: LogFilter = { ...spanOf(range), limit: PAGE, cursor: query.get("cursor") ?? undefined };
  for (const name of FILTERS) filter[name] = query.get(name) ?? undefined;
  const resource = useResource(JSON.stringify(filter), (signal) => ledger.logs(filter, signal));
  return (
    <Page title="Requests" actions={<RangePicker range={range} />}>
      <LogFilters />
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
              <ZoneNote />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function LogFilters() {
  const { query } = place.value;
  const [alias, setAlias] = useState(query.get("alias") ?? "");
  const [status, setStatus] = useState(query.get("status") ?? "");
  const [id, setId] = useState("");
  const provider = query.get("provider") ?? "";
  const change = (changes: Record<string, string>) =>
    setQuery({ cursor: null, ...mapValues(changes, (value) => (value.trim() === "" ? null : value.trim())) });
  const options = [{ value: "", text: "Every provider" }, ...PROVIDERS.map((name) => ({ value: name, text: name }))];
  return (
    <div class="filters">
      <form class="filters" onSubmit={submitted(() => change({ alias, status }))}>
        <TextField label="Alias" hideLabel placeholder="Alias" value={alias} testId="filter-alias" onValue={setAlias} />
        <SelectField
          label="Provider"
          hideLabel
          value={provider}
          options={options}
          testId="filter-provider"
          onValue={(value) => change({ provider: value })}
        />
        <TextField
          label="Status"
          hideLabel
          placeholder="Status, as 200"
          inputMode="numeric"
          value={status}
          testId="filter-status"
          onValue={setStatus}
        />
        <Button type="submit" testId="filter-apply">
          Filter
        </Button>
      </form>
      <form class="filters" onSubmit={submitted(() => id.trim() !== "" && navigate(requestHref(id.trim())))}>
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
    </div>
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

function submitted(action: () => void) {
  return (event: Event) => {
    event.preventDefault();
    action();
  };
}

function mapValues<In, Out>(values: Record<string, In>, change: (value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, change(value)]));
}
