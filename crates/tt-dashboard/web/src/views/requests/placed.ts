import type { Exact } from "../../api/exact";
import type { Attempt, LogDetail } from "../../api/types";

export interface Placed {
  attempt: Exact<Attempt>;
  /** The milliseconds after the request's arrival. */
  after: number;
  /** The parts of the whole time that have passed when it begins, and that it takes. */
  start: number;
  length: number;
}

/** Each attempt at its time after the request's arrival. One without an end lasts until the request's. */
export function placed(request: Pick<Exact<LogDetail>, "created_at" | "latency_ms" | "attempt_list">): Placed[] {
  const arrived = Date.parse(request.created_at);
  const spans = request.attempt_list.map((attempt) => {
    const after = Math.max(0, Date.parse(attempt.started_at) - arrived);
    return { attempt, after, took: attempt.latency_ms ?? Math.max(0, request.latency_ms - after) };
  });
  const whole = spans.reduce((most, { after, took }) => Math.max(most, after + took), Math.max(1, request.latency_ms));
  return spans.map(({ attempt, after, took }) => ({ attempt, after, start: after / whole, length: took / whole }));
}
