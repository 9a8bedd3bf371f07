import type { ComponentChildren } from "preact";
import type { Resource } from "../state/resource";
import { ProblemNotice } from "./notice";

interface LoadedProps<T> {
  resource: Resource<T>;
  /** What is loaded, as in “the aliases”. */
  what: string;
  children: (data: T) => ComponentChildren;
}

/** Shows data once they are there, and what went wrong where they are not. */
export function Loaded<T>({ resource, what, children }: LoadedProps<T>) {
  const { data, problem, isLoading, reload } = resource;
  return (
    <div class="loaded" aria-busy={isLoading}>
      {problem !== null && <ProblemNotice what={`Loading ${what} failed.`} problem={problem} onRetry={reload} />}
      {data !== null ? (
        children(data)
      ) : isLoading ? (
        <p class="loading muted" role="status">
          Loading {what}…
        </p>
      ) : null}
    </div>
  );
}
