import { useMemo, useState } from "preact/hooks";
import { shortDateTime } from "../../lib/format";
import { LazyChart } from "../../ui/lazy-chart";
import { Card } from "../../ui/page";
import { Table } from "../../ui/table";
import { Choices } from "../../ui/tabs";
import type { OverviewData } from "./data";
import { chartPoint, pointColumns, pointsOf, type Metric } from "./metrics";

type Form = "chart" | "table";

/** A measure over time, beside the period before: as a chart, or as a table of the same numbers. */
export function TimeCard({ metric, data }: { metric: Metric; data: OverviewData }) {
  const { range } = data;
  const [form, setForm] = useState<Form>("chart");
  const points = useMemo(() => pointsOf(metric, data), [metric, data]);
  const charted = useMemo(() => points.map(chartPoint), [points]);
  const until = shortDateTime(new Date(data.spanBefore.to), range.zone, new Date());
  const before = data.before === null ? "the requests of the period before are not kept" : `before: until ${until}`;
  return (
    <Card
      title={`${metric.title} over time`}
      note={metric.kind === "mean" ? `the mean of all requests; ${before}` : before}
      actions={
        <Choices<Form>
          label="Form"
          chosen={form}
          onChoose={setForm}
          choices={[
            { name: "chart", title: "Chart" },
            { name: "table", title: "Table", testId: "time-as-table" },
          ]}
        />
      }
      testId="over-time"
    >
      {form === "chart" ? (
        <LazyChart
          label={`${metric.title} over time. The button “Table” shows the numbers.`}
          points={charted}
          format={metric.format}
        />
      ) : (
        <Table
          caption={`${metric.title} over time`}
          columns={pointColumns(metric, data)}
          rows={points}
          rowKey={(point) => points.indexOf(point)}
          file={`${metric.name}-${range.first}-${range.last}`}
        />
      )}
    </Card>
  );
}
