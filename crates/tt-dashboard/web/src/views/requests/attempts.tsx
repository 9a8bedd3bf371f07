import type { Exact } from "../../api/exact";
import type { LogDetail } from "../../api/types";
import { duration } from "../../lib/format";
import { Badge } from "../../ui/badge";
import { Amount } from "../../ui/money";
import { Card, Empty } from "../../ui/page";
import { placed, type Placed } from "./placed";

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

function AttemptRow({ attempt, after, start, length }: Placed) {
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
        <span
          class={failed ? "span failed" : "span"}
          style={{ left: `${Math.min(start, 0.99) * 100}%`, width: `${length * 100}%` }}
        />
      </span>
      <span>
        <Badge kind={failed ? "bad" : "good"}>{attempt.status ?? "no answer"}</Badge> {latency}, begun after{" "}
        {duration(after)}, <Amount amount={attempt.cost_usd} />
      </span>
      {attempt.error !== null && <span class="why">{attempt.error}</span>}
    </li>
  );
}
