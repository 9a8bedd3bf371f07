// The state of a form that is sent: busy, or refused with a problem, which keeps what was filled in.

import { useState } from "preact/hooks";
import type { ApiProblem } from "../api/client";
import { asProblem } from "./resource";

export interface Submission {
  isBusy: boolean;
  problem: ApiProblem | null;
  /** Runs the action, unless it is running. */
  run: () => void;
  /** For `<form onSubmit>`. */
  onSubmit: (event: Event) => void;
  /** The message of a problem with this field of the body, if there is one. */
  errorOf: (...fields: string[]) => string | undefined;
  clear: () => void;
}

export function useSubmit(action: () => Promise<void>): Submission {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const run = () => {
    if (isBusy) return;
    setBusy(true);
    setProblem(null);
    action()
      .catch((error: unknown) => setProblem(asProblem(error)))
      .finally(() => setBusy(false));
  };
  return {
    isBusy,
    problem,
    run,
    onSubmit: (event) => {
      event.preventDefault();
      run();
    },
    errorOf: (...fields) => (problem?.param != null && fields.includes(problem.param) ? problem.message : undefined),
    clear: () => setProblem(null),
  };
}
