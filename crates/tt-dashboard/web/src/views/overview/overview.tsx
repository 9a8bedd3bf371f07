// Where the money goes: totals beside the period before, over time, and by any dimension.

import { filtersOf } from "../../lib/usage";
import { rangeOf } from "../../lib/range";
import { place } from "../../state/router";
import { useResource } from "../../state/resource";
import { Loaded } from "../../ui/loaded";
import { Page } from "../../ui/page";
import { RangePicker } from "../../ui/range-picker";
import { Beside } from "./beside";
import { Breakdown } from "./breakdown";
import { loadOverview, type OverviewData } from "./data";
import { FirstSteps } from "./first-steps";
import { FilterChips } from "./filter-chips";
import { MetricCards } from "./metric-cards";
import { METRICS } from "./metrics";
import { TokenClasses } from "./token-classes";
import { TimeCard } from "./time-card";

export function Overview() {
  const { query } = place.value;
  const range = rangeOf(query, new Date());
  const filters = filtersOf(query);
  const dimension = query.get("by") ?? "alias";
  const metric = METRICS.find((candidate) => candidate.name === query.get("show")) ?? METRICS[0];
  const key = JSON.stringify([range, [...filters], dimension]);
  const resource = useResource(key, (signal) => loadOverview(range, filters, dimension, signal));
  return (
    <Page title="Overview" actions={<RangePicker range={range} />}>
      <FilterChips filters={filters} keys={resource.data?.keys ?? []} />
      <Loaded resource={resource} what="the usage">
        {(data) =>
          isUnused(data) && filters.size === 0 ? (
            <FirstSteps />
          ) : (
            <>
              <MetricCards data={data} chosen={metric?.name ?? "spend"} />
              <Beside data={data} filters={filters} />
              {metric !== undefined && <TimeCard metric={metric} data={data} range={range} />}
              <Breakdown data={data} dimension={dimension} filters={filters} />
              <TokenClasses sums={data.now.total} />
            </>
          )
        }
      </Loaded>
    </Page>
  );
}

function isUnused(data: OverviewData): boolean {
  return data.now.total.requests === 0 && data.before.total.requests === 0 && data.gaps.open === 0;
}
