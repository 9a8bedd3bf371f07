// The usage of the range by one dimension. A click on a value keeps to it.

import { useState } from "preact/hooks";
import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import { percentage } from "../../lib/format";
import { share } from "../../lib/money";
import { dimensionTitle, filterFor, type Dimension, type Group } from "../../lib/usage";
import { setQuery } from "../../state/router";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Card, Empty } from "../../ui/page";
import { ShareBar } from "../../ui/share-bar";
import { Table, type Column } from "../../ui/table";
import { Choices } from "../../ui/tabs";
import type { OverviewData } from "./data";
import { valueName } from "../../lib/names";

const SHOWN = ["alias", "model", "provider", "api_key", "client", "session"] as const;
const MOST_ROWS = 20;

export function Breakdown({ data }: { data: OverviewData }) {
  const { dimension, filters } = data;
  return (
    <Card
      title={`By ${dimensionTitle(dimension).toLowerCase().replace(/^api/, "API")}`}
      actions={<DimensionPicker data={data} />}
      testId="breakdown"
    >
      {data.groups.length === 0 ? (
        <Empty title="No request fits.">
          {filters.size > 0 ? "Take a filter away, or choose another range." : "Choose another range."}
        </Empty>
      ) : (
        <Table
          caption={`Usage by ${dimensionTitle(dimension)}`}
          columns={columns(data)}
          rows={data.groups}
          rowKey={(group) => JSON.stringify(group.key)}
          file={`usage-by-${dimension.replace(/[^a-z_]+/gi, "-")}`}
          isSortable
          most={MOST_ROWS}
        />
      )}
    </Card>
  );
}

function DimensionPicker({ data }: { data: OverviewData }) {
  const { dimension } = data;
  const [tag, setTag] = useState(dimension.startsWith("tag:") ? dimension.slice(4) : "");
  return (
    <>
      <Choices<string>
        label="Dimension"
        chosen={dimension}
        onChoose={(by) => setQuery({ by })}
        choices={SHOWN.map((name) => ({ name, title: dimensionTitle(name), testId: `by-${name}` }))}
      />
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          if (tag.trim() !== "") setQuery({ by: `tag:${tag.trim()}` });
        }}
      >
        <TextField
          label="Name of a tag"
          hideLabel
          placeholder="Tag, as team"
          maxLength={64}
          value={tag}
          suggestions={data.tags}
          testId="by-tag"
          onValue={setTag}
        />
        <Button type="submit">By tag</Button>
      </form>
    </>
  );
}

function columns(data: OverviewData): Column<Group>[] {
  const { dimension } = data;
  const { total } = data.now;
  const whole = total.cost_usd ?? 0n;
  return [
    {
      kind: "text",
      title: dimensionTitle(dimension),
      value: (group) => valueName(dimension, group.key[0] ?? null, data.keys),
      cell: (group) => <KeepTo dimension={dimension} value={group.key[0] ?? null} keys={data.keys} />,
      total: "Total",
    },
    { kind: "money", title: "Spend", value: (group) => group.sums.cost_usd, total: total.cost_usd },
    {
      kind: "text",
      title: "Share of spend",
      value: (group) => (group.sums.cost_usd === null ? null : percentage(share(group.sums.cost_usd, whole))),
      cell: (group) => <ShareBar part={group.sums.cost_usd === null ? null : share(group.sums.cost_usd, whole)} />,
    },
    { kind: "money", title: "Saved", value: (group) => group.sums.saved_usd, total: total.saved_usd },
    { kind: "number", title: "Requests", value: (group) => group.sums.requests, total: total.requests },
    { kind: "number", title: "Input", value: (group) => group.sums.input_tokens, total: total.input_tokens },
    {
      kind: "number",
      title: "Cached",
      value: (group) => group.sums.cached_input_tokens,
      total: total.cached_input_tokens,
    },
    { kind: "number", title: "Output", value: (group) => group.sums.output_tokens, total: total.output_tokens },
    { kind: "number", title: "Errors", value: (group) => group.sums.errors, total: total.errors },
    {
      kind: "number",
      title: "Incomplete cost",
      value: (group) => group.sums.cost_incomplete,
      total: total.cost_incomplete,
    },
  ];
}

function KeepTo(props: { dimension: Dimension; value: string | null; keys: readonly Exact<ApiKey>[] }) {
  const { dimension, value, keys } = props;
  const name = valueName(dimension, value, keys);
  const filter = filterFor(dimension, value);
  if (filter === null) return <>{name}</>;
  return (
    <button type="button" class="link" title={`Keep to ${name}`} onClick={() => setQuery({ [filter.name]: filter.value })}>
      {name}
    </button>
  );
}
