import type { Exact } from "../../api/exact";
import type { Attempt, LogDetail } from "../../api/types";
import { duration } from "../../lib/format";
import { Badge } from "../../ui/badge";
import { Amount } from "../../ui/money";
import { Card, Empty } from "../../ui/page";

interface Placed {
  attempt: Exact<Attempt>;
  /** The part of the whole time that has passed when it begins, and that it takes. */
  start: number;
  length: number;
}

/** The attempts of a request, one below the other, each where it lies in the time that the request took. */
export function Attempts({ request }: { request: Exact<LogDetail> }) {
  return (
    <Card title="Attempts" note={`${duration(request.latency_ms)} in all`}>
      {request.attempt_list.length === 0 ? (
        <Empty title="Nothing was sent to a provider." />
      ) : (
        <ol class="timeline">
          {placed(request).map((each, index) => (
            <AttemptRow key={index} {...each} />
          ))}
        </ol>
      )}
    </Card>
  );
}

function AttemptRow({ attempt, start, length }: Placed) {
  const failed = attempt.error !== null;
  const latency = attempt.latency_ms === null ? "no end" : duration(attempt.latency_ms);
  return (
    <li data-testid="attempt">
      <span class="break">
        <strong>{attempt.alias}</strong> <Badge>{attempt.route}</Badge>
        <br />
        <span class="muted">
          {attempt.provider}/{attempt.model}
          {attempt.served_model !== null &&
            attempt.served_model !== attempt.model &&
            ` (answered by ${attempt.served_model})`}
        </span>
      </span>
      <span class="track" aria-hidden="true">
        <span class={failed ? "span failed" : "span"} style={{ left: `${start * 100}%`, width: `${length * 100}%` }} />
      </span>
      <span>
        <Badge kind={failed ? "bad" : "good"}>{attempt.status ?? "no answer"}</Badge> {latency},{" "}
        <Amount amount={attempt.cost_usd} />
      </span>
      {attempt.error !== null && <span class="why">{attempt.error}</span>}
    </li>
  );
}

/** Attempts follow each other. Waits between them are not recorded, and not shown. */
function placed(request: Exact<LogDetail>): Placed[] {
  const taken = request.attempt_list.reduce((sum, attempt) => sum + (attempt.latency_ms ?? 0), 0);
  const whole = Math.max(1, taken);
  let passed = 0;
  return request.attempt_list.map((attempt) => {
    const start = passed / whole;
    passed += attempt.latency_ms ?? 0;
    return { attempt, start: Math.min(start, 0.99), length: (attempt.latency_ms ?? 0) / whole };
  });
}
