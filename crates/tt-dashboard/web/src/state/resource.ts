// Data of a view: loaded when its key changes, and again on demand. The last data stay while new ones are on their way.

import { useCallback, useEffect, useState } from "preact/hooks";
import { ApiProblem } from "../api/client";

export interface Resource<T> {
  data: T | null;
  problem: ApiProblem | null;
  isLoading: boolean;
  reload: () => void;
}

interface State<T> {
  data: T | null;
  problem: ApiProblem | null;
  /** What the data or the problem are the answer to; null until there is one. */
  answered: string | null;
}

/** Loads data. They are loaded anew when `key`, which says what is loaded, is another one. */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<State<T>>({ data: null, problem: null, answered: null });
  const [turn, setTurn] = useState(0);
  const asked = `${turn} ${key}`;
  useEffect(() => {
    const abort = new AbortController();
    const answer = (change: Partial<State<T>>) => {
      if (!abort.signal.aborted) setState((before) => ({ ...before, problem: null, ...change, answered: asked }));
    };
    load(abort.signal).then(
      (data) => answer({ data }),
      (error: unknown) => answer({ problem: asProblem(error) }),
    );
    return () => abort.abort();
    // `load` is made anew at each rendering; `asked` says whether it loads something else.
  }, [asked]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { data: state.data, problem: state.problem, isLoading: state.answered !== asked, reload };
}

/** An error as a problem that can be shown. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem(error instanceof Error ? error.message : String(error), 0);
}
