import { Fragment } from "preact";
import type { ChainStep } from "../api/types";
import { Badge } from "./badge";
import { Time } from "./time";

type Step = Pick<ChainStep, "alias" | "model"> & Partial<Pick<ChainStep, "route" | "state" | "until">>;

/** Targets in the order in which they are tried. Those that rest are passed over until then. */
export function Chain({ steps }: { steps: readonly Step[] }) {
  return (
    <div class="chain" data-testid="chain">
      {steps.map((step, index) => (
        <Fragment key={`${step.alias} ${step.model} ${index}`}>
          {index > 0 && (
            <span class="arrow" title="and if that fails">
              <span class="only-read">and if that fails</span>
              <span aria-hidden="true">→</span>
            </span>
          )}
          <span class="step">
            <span>
              {step.alias} {step.route !== undefined && step.route !== "primary" && <Badge>{step.route}</Badge>}
            </span>
            <span class="model">{step.model}</span>
            {step.state === "open" && (
              <span data-testid="chain-resting">
                <Badge kind="warning">rests</Badge> until <Time at={step.until ?? null} precision="second" />
              </span>
            )}
          </span>
        </Fragment>
      ))}
    </div>
  );
}
