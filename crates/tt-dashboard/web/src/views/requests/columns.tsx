// The columns of every list of requests: when, with which result, by which alias and model.

import type { Outcome } from "../../api/types";
import type { Precision } from "../../lib/format";
import type { Column } from "../../ui/table";
import { Time } from "../../ui/time";
import { requestHref } from "./href";
import { StatusBadge } from "./status-badge";

interface Named {
  request_id: string;
  created_at: string;
  status: number | null;
  outcome: Outcome;
  error: string | null;
  alias: string;
  provider: string | null;
  model: string | null;
}

export function requestColumns<Row extends Named>(precision: Precision = "second"): Column<Row>[] {
  return [
    {
      kind: "time",
      title: "Time",
      value: (row) => row.created_at,
      cell: (row) => (
        <a href={requestHref(row.request_id)} data-testid="log-link">
          <Time at={row.created_at} precision={precision} />
        </a>
      ),
    },
    {
      kind: "text",
      title: "Status",
      value: (row) => String(row.status ?? ""),
      cell: (row) => <StatusBadge row={row} />,
    },
    { kind: "text", title: "Alias", value: (row) => row.alias },
    {
      kind: "text",
      title: "Model",
      value: (row) => (row.model === null ? null : `${row.provider ?? ""}/${row.model}`),
    },
  ];
}
