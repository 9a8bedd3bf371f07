import { Fragment } from "preact";
import type { PlannedStep } from "../api/types";
import { Badge } from "./badge";

type Step = Pick<PlannedStep, "alias" | "model"> & { route?: string };

/** Targets in the order in which they are tried. */
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
          </span>
        </Fragment>
      ))}
    </div>
  );
}
