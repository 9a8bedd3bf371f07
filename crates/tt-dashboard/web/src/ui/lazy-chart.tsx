// The chart, whose code is the largest part of the page and is loaded when a chart is first shown.

import type { ComponentType } from "preact";
import { useResource } from "../state/resource";
import type { ChartProps } from "./chart";
import { ProblemNotice } from "./notice";

const load = (): Promise<ComponentType<ChartProps>> => import("./chart").then((module) => module.Chart);

export function LazyChart(props: ChartProps) {
  const { data: Chart, problem, reload } = useResource("chart", load);
  if (problem !== null)
    return <ProblemNotice what="The chart could not be loaded." problem={problem} onRetry={reload} />;
  return Chart === null ? <div class="chart-place" /> : <Chart {...props} />;
}
