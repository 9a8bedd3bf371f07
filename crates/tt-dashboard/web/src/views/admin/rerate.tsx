// Prices the recorded requests again: first as a report of what would change, then in earnest.

import { useState } from "preact/hooks";
import { prices } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Rerated } from "../../api/types";
import { rangeOf, spanOf } from "../../lib/range";
import { announce } from "../../state/announce";
import { place } from "../../state/router";
import { useSubmit } from "../../state/submit";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { ProblemNotice } from "../../ui/notice";
import { Card, Empty } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { Table } from "../../ui/table";

export function Rerate() {
  const range = rangeOf(place.value.query, new Date());
  const [report, setReport] = useState<Exact<Rerated> | null>(null);
  const [asks, setAsks] = useState(false);
  const submission = useSubmit(async () => setReport(await prices.rerate({ ...spanOf(range), dry_run: true })));
  return (
    <Card
      title="Rate recorded requests again"
      note="by the prices that are in force now"
      actions={<RangePicker range={range} />}
    >
      {submission.problem !== null && <ProblemNotice what="There is no report." problem={submission.problem} />}
      <div class="form-foot">
        <Button isBusy={submission.isBusy} testId="rerate-report" onClick={submission.run}>
          Report what would change
        </Button>
        {report !== null && report.models.length > 0 && (
          <Button kind="danger" testId="rerate" onClick={() => setAsks(true)}>
            Rate again
          </Button>
        )}
      </div>
      <div role="status">{report !== null && <Report report={report} />}</div>
      {asks && (
        <Confirm
          title="Rate the requests of all users again?"
          action="Rate again"
          failure="The requests are not rated again."
          onClose={() => setAsks(false)}
          onConfirm={async () => {
            await prices.rerate({ ...spanOf(range), dry_run: false });
            setReport(null);
            announce("The requests are rated again.");
          }}
        >
          <p>
            Costs from {range.first} to {range.last} are computed anew, in the log, the totals and the budgets.
          </p>
        </Confirm>
      )}
    </Card>
  );
}

function Report({ report }: { report: Exact<Rerated> }) {
  if (report.models.length === 0) return <Empty title="Nothing would change." />;
  return (
    <Table
      caption="What would change"
      rows={report.models}
      rowKey={(row) => `${row.provider}/${row.model}`}
      file="rerate"
      columns={[
        { kind: "text", title: "Model", value: (row) => `${row.provider}/${row.model}`, total: "Total" },
        { kind: "number", title: "Requests", value: (row) => row.requests },
        { kind: "money", title: "Before", value: (row) => row.before_usd, total: report.before_usd },
        { kind: "money", title: "After", value: (row) => row.after_usd, total: report.after_usd },
      ]}
    />
  );
}
