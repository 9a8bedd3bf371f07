import type { Exact } from "../../api/exact";
import type { LogRow } from "../../api/types";
import { duration } from "../../lib/format";
import { Table, type Column } from "../../ui/table";
import { requestColumns } from "./columns";

type Row = Exact<LogRow>;

const COLUMNS: readonly Column<Row>[] = [
  ...requestColumns<Row>(),
  { kind: "number", title: "Input", value: (row) => row.input_tokens },
  { kind: "number", title: "Output", value: (row) => row.output_tokens },
  { kind: "money", title: "Cost", value: (row) => row.cost_usd },
  { kind: "number", title: "Took", value: (row) => row.latency_ms, cell: (row) => duration(row.latency_ms) },
  { kind: "text", title: "Client", value: (row) => row.client },
  { kind: "text", title: "Tags", value: (row) => tagText(row.tags) },
  {
    kind: "text",
    title: "Request id",
    value: (row) => row.request_id,
    cell: (row) => <code>…{row.request_id.slice(-8)}</code>,
  },
];

export function LogTable({ rows, caption }: { rows: readonly Row[]; caption: string }) {
  return (
    <Table
      caption={caption}
      columns={COLUMNS}
      rows={rows}
      rowKey={(row) => row.request_id}
      file="requests"
      rowTestId="log-row"
    />
  );
}

export function tagText(tags: Record<string, string>): string | null {
  const pairs = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return pairs.length === 0 ? null : pairs.join(", ");
}
