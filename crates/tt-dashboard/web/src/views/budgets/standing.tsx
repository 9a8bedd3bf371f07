import type { Exact } from "../../api/exact";
import type { Budget } from "../../api/types";
import { share, type Nano } from "../../lib/money";
import { Badge } from "../../ui/badge";
import { Amount } from "../../ui/money";
import { Time } from "../../ui/time";
import { lasts } from "./lasts";

interface StandingProps {
  budget: Exact<Budget>;
  limit: Nano;
  perDay: Nano;
}

/** What of a budget is spent, held and left. */
export function Standing({ budget, limit, perDay }: StandingProps) {
  const { spent_usd: spent, held_usd: held } = budget;
  if (spent === null || held === null) {
    return <p class="muted">What is spent is not known just now: the limits are being counted anew.</p>;
  }
  const left = limit - spent - held;
  return (
    <div class="stack standing">
      <p>
        <span class="metric-value">
          <Amount amount={spent} testId="budget-spent" />
        </span>{" "}
        <span class="muted">
          of <Amount amount={limit} /> {budget.period === "total" ? "in total" : `this UTC ${budget.period ?? ""}`}
        </span>{" "}
        {budget.soft === true && <Badge>soft: it refuses nothing</Badge>}
      </p>
      <span class="bar large" aria-hidden="true">
        <span style={{ width: `${Math.min(1, share(spent, limit)) * 100}%` }} />
        <span class="held" style={{ width: `${Math.min(1, share(held, limit)) * 100}%` }} />
      </span>
      <dl class="facts">
        <dt>Held for open requests</dt>
        <dd>
          <Amount amount={held} />
        </dd>
        <dt>Left</dt>
        <dd>
          <Amount amount={left > 0n ? left : 0n} />
        </dd>
        <dt>Begins anew</dt>
        <dd>
          <Time at={budget.resets_at} none="never" />
        </dd>
        <dt>At this rate</dt>
        <dd>
          {lasts(left, perDay, budget.resets_at, new Date())}{" "}
          <span class="muted">
            (<Amount amount={perDay} /> a day in the last 7 days)
          </span>
        </dd>
      </dl>
    </div>
  );
}
