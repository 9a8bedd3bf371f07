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
  isLoading: boolean;
}

/** Loads data. They are loaded anew when `key`, which says what is loaded, is another one. */
export function useResource<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Resource<T> {
  const [state, setState] = useState<State<T>>({ data: null, problem: null, isLoading: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setState((before) => ({ ...before, isLoading: true }));
    load(abort.signal).then(
      (data) => {
        if (!abort.signal.aborted) setState({ data, problem: null, isLoading: false });
      },
      (error: unknown) => {
        if (!abort.signal.aborted) setState((before) => ({ ...before, problem: asProblem(error), isLoading: false }));
      },
    );
    return () => abort.abort();
    // `load` is made anew at each rendering; `key` says whether it loads something else.
  }, [key, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  return { ...state, reload };
}

/** An error as a problem that can be shown. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem(error instanceof Error ? error.message : String(error), 0);
}
