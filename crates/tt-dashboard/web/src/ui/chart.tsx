// A chart over time: bars of the range, and a line for the period before it. Its numbers are in a table as well, which the
// caller shows in its place on demand.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme } from "../state/theme";

export interface ChartPoint {
  /** The name of the bucket, as in “23 Nov”. */
  name: string;
  value: number | null;
  before: number | null;
  /** True if the bucket is not over yet. */
  isUnfinished: boolean;
}

export interface ChartProps {
  /** What the chart shows, in words. */
  label: string;
  points: readonly ChartPoint[];
  format: (value: number) => string;
}

/** The marks of the chart, by the names of their classes. */
const KEYS = [
  ["now", "this period"],
  ["unfinished", "not over yet"],
  ["before", "the period before"],
] as const;

const HEIGHT = 240;
const AXIS_WIDTH = 64;

export function Chart({ label, points, format }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const [pointed, setPointed] = useState<number | null>(null);
  const colours = theme.value;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const plot = new uPlot(options(element, points, format, setPointed), dataOf(points), element);
    const resize = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    return () => {
      resize.disconnect();
      plot.destroy();
    };
  }, [points, colours]);
  const shown = points[pointed ?? points.length - 1];
  return (
    <figure class="chart">
      <figcaption class="legend">
        {KEYS.map(([name, text]) => (
          <span key={name} class="part">
            <span class={`key ${name}`} /> {text}
          </span>
        ))}
        {shown !== undefined && (
          <span class="readout">
            {shown.name}: <strong>{shown.value === null ? "–" : format(shown.value)}</strong>
            {shown.before !== null && <> · before: {format(shown.before)}</>}
          </span>
        )}
      </figcaption>
      <div ref={host} role="img" aria-label={label} />
    </figure>
  );
}

function dataOf(points: readonly ChartPoint[]): uPlot.AlignedData {
  return [
    points.map((_, index) => index),
    points.map((point) => (point.isUnfinished ? null : point.value)),
    points.map((point) => (point.isUnfinished ? point.value : null)),
    points.map((point) => point.before),
  ];
}

function options(
  element: HTMLElement,
  points: readonly ChartPoint[],
  format: (value: number) => string,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const colour = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
  const bars = uPlot.paths.bars?.({ size: [0.7, 44], radius: 0.12 }) ?? null;
  const axis = { stroke: colour("--muted"), font: `12px ${getComputedStyle(element).fontFamily}` };
  const grid = { stroke: colour("--grid"), width: 1 };
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: [-0.6, Math.max(points.length - 0.4, 0.6)] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { show: false },
        size: 28,
        splits: () => splits(points.length, element.clientWidth),
        values: (_, at) => at.map((index) => points[index]?.name ?? ""),
      },
      {
        ...axis,
        grid,
        ticks: { show: false },
        size: AXIS_WIDTH,
        values: (_, at) => at.map((value) => format(value)),
      },
    ],
    series: [
      {},
      {
        fill: colour("--bar"),
        stroke: "transparent",
        width: 0,
        points: { show: false },
        ...(bars && { paths: bars }),
      },
      {
        fill: colour("--bar-unfinished"),
        stroke: colour("--bar"),
        dash: [4, 3],
        width: 1,
        points: { show: false },
        ...(bars && { paths: bars }),
      },
      { stroke: colour("--line-before"), width: 1.5, dash: [5, 4], points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

/** The buckets that are named on the axis: as many as have room. */
function splits(count: number, width: number): number[] {
  const step = Math.max(1, Math.ceil(count / Math.max(1, Math.floor((width - AXIS_WIDTH) / 64))));
  return Array.from({ length: Math.ceil(count / step) }, (_, index) => index * step);
}
