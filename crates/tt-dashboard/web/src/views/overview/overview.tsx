// Where the money goes: totals beside the period before, over time, and by any dimension.

import { filtersOf } from "../../lib/usage";
import { rangeOf, sameRange, spanOf } from "../../lib/range";
import { place, withQuery } from "../../state/router";
import { useResource } from "../../state/resource";
import { Beside } from "../../ui/beside";
import { FilterBar } from "../../ui/filter-bar";
import { Loaded } from "../../ui/loaded";
import { Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { Breakdown } from "./breakdown";
import { loadOverview, type OverviewData } from "./data";
import { FirstSteps } from "./first-steps";
import { MetricCards } from "./metric-cards";
import { METRICS } from "./metrics";
import { TokenClasses } from "./token-classes";
import { TimeCard } from "./time-card";

export function Overview() {
  const { query } = place.value;
  const range = rangeOf(query, new Date());
  const question = { range, filters: filtersOf(query), dimension: query.get("by") ?? "alias" };
  const metric = METRICS.find((candidate) => candidate.name === query.get("show")) ?? METRICS[0];
  const key = JSON.stringify([range, [...question.filters], question.dimension]);
  const same = sameRange(query, range);
  const resource = useResource(key, (signal) => loadOverview(question, signal));
  return (
    <Page title="Overview" actions={<RangePicker range={range} />}>
      <FilterBar filters={question.filters} span={spanOf(range)} />
      <Loaded resource={resource} what="the usage">
        {(data) =>
          isUnused(data) ? (
            <FirstSteps />
          ) : (
            <>
              <MetricCards data={data} chosen={metric?.name ?? "spend"} />
              <Beside sums={data.now.total} query={same} open={data.open}>
                <a href={withQuery("/dashboard/requests", same)} data-testid="see-requests">
                  See the requests
                </a>
              </Beside>
              {metric !== undefined && <TimeCard metric={metric} data={data} />}
              <Breakdown data={data} />
              <TokenClasses sums={data.now.total} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function isUnused(data: OverviewData): boolean {
  return (
    data.filters.size === 0 && data.now.total.requests === 0 && (data.before?.total.requests ?? 0) === 0 && data.open === 0
  );
}
