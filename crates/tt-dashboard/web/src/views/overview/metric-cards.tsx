import { change, count } from "../../lib/format";
import { setQuery } from "../../state/router";
import { Amount } from "../../ui/money";
import type { OverviewData } from "./data";
import { asDecimal, METRICS, type Metric, type MetricName, type MetricValue } from "./metrics";

/** The totals. The chosen one is shown over time. */
export function MetricCards({ data, chosen }: { data: OverviewData; chosen: MetricName }) {
  return (
    <div class="metrics" role="group" aria-label="Totals; the chosen one is shown over time">
      {METRICS.map((metric) => (
        <button
          key={metric.name}
          type="button"
          class="metric"
          aria-pressed={metric.name === chosen}
          data-testid={`metric-${metric.name}`}
          onClick={() => setQuery({ show: metric.name })}
        >
          <span class="metric-title">{metric.kind === "mean" ? `${metric.title}, mean` : metric.title}</span>
          <span class="metric-value">
            <Total metric={metric} value={metric.total(data.now)} />
          </span>
          <span class="metric-before">{comparison(metric, data)}</span>
        </button>
      ))}
    </div>
  );
}

function Total({ metric, value }: { metric: Metric; value: MetricValue }) {
  const testId = `total-${metric.name}`;
  if (typeof value === "bigint") return <Amount amount={value} testId={testId} />;
  if (value === null) return <span class="muted">{metric.kind === "money" ? "unknown" : "–"}</span>;
  return (
    <data value={String(value)} title={metric.kind === "mean" ? `${value.toFixed(3)} ms` : count(value)} data-testid={testId}>
      {metric.format(value)}
    </data>
  );
}

function comparison(metric: Metric, data: OverviewData): string {
  if (data.before === null) return "not kept before";
  const before = metric.total(data.before);
  if (before === null) return "nothing before";
  const ratio = change(asDecimal(before), asDecimal(metric.total(data.now)));
  return ratio === null ? "none before" : `${ratio} from ${metric.format(asDecimal(before))}`;
}
