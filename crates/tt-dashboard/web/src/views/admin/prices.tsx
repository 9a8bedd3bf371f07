// Prices: the list for everybody; set and rated again by administrators.

import { useState } from "preact/hooks";
import { prices } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Price } from "../../api/types";
import { me } from "../../state/session";
import { useResource } from "../../state/resource";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { PriceDialog } from "./price-dialog";
import { Rerate } from "./rerate";

type Entry = Exact<Price>;
const MOST_ROWS = 60;

export function Prices() {
  const resource = useResource("", prices.list);
  const [opened, setOpened] = useState<Entry | "new" | null>(null);
  const [search, setSearch] = useState("");
  const isAdmin = me.value?.role === "admin";
  return (
    <Page
      title="Prices"
      lead="USD for a million tokens. A model without a price is never counted as free: its cost is unknown."
      actions={
        isAdmin && (
          <Button testId="price-new" onClick={() => setOpened("new")}>
            Set a price
          </Button>
        )
      }
    >
      <Loaded resource={resource} what="the prices">
        {(list) => (
          <Card title="Prices in force" note={`table ${list.version} of ${list.as_of}`}>
            <TextField
              label="Search a model"
              hideLabel
              type="search"
              placeholder="Search a model"
              value={search}
              onValue={setSearch}
            />
            <PriceTable entries={matching(list.prices, search)} onEdit={isAdmin ? setOpened : undefined} />
          </Card>
        )}
      </Loaded>
      {isAdmin && <Rerate />}
      {opened !== null && (
        <PriceDialog
          entry={opened === "new" ? null : opened}
          onClose={() => setOpened(null)}
          onSaved={() => {
            setOpened(null);
            resource.reload();
          }}
        />
      )}
    </Page>
  );
}

function matching(entries: readonly Entry[], search: string): Entry[] {
  const wanted = search.trim().toLowerCase();
  return entries.filter(({ provider, model }) => `${provider}/${model}`.toLowerCase().includes(wanted));
}

function PriceTable({ entries, onEdit }: { entries: readonly Entry[]; onEdit: ((entry: Entry) => void) | undefined }) {
  if (entries.length === 0) return <Empty title="No model of that name has a price." />;
  return (
    <Table
      caption="Prices"
      rows={entries}
      rowKey={(entry) => `${entry.provider}/${entry.model}/${entry.effective_from ?? ""}`}
      file="prices"
      isSortable
      most={MOST_ROWS}
      columns={[
        {
          kind: "text",
          title: "Model",
          value: (entry) => `${entry.provider}/${entry.model}`,
          cell: (entry) => (
            <>
              {entry.provider}/{entry.model} {entry.override && <Badge kind="accent">set here</Badge>}
            </>
          ),
        },
        { kind: "money", title: "Input", value: (entry) => entry.usd_per_million.input },
        { kind: "money", title: "Output", value: (entry) => entry.usd_per_million.output },
        { kind: "money", title: "Cache read", value: (entry) => entry.usd_per_million.cache_read },
        { kind: "money", title: "Cache write 5 min", value: (entry) => entry.usd_per_million.cache_write_5m },
        { kind: "money", title: "Cache write 1 h", value: (entry) => entry.usd_per_million.cache_write_1h },
        {
          kind: "time",
          title: "From",
          value: (entry) => entry.effective_from,
          cell: (entry) => <Time at={entry.effective_from} />,
        },
      ]}
      {...(onEdit !== undefined && {
        actions: (entry: Entry) => (
          <Button kind="quiet" label={`Set the price of ${entry.model}`} onClick={() => onEdit(entry)}>
            Set
          </Button>
        ),
      })}
    />
  );
}
