import type { ComponentChildren } from "preact";
import type { ApiProblem } from "../api/client";

export type NoticeKind = "info" | "good" | "warning" | "error";

/** A box with a message. Errors are read out at once. */
export function Notice({ kind, children, testId }: { kind: NoticeKind; children: ComponentChildren; testId?: string }) {
  return (
    <div class={`notice ${kind}`} role={kind === "error" ? "alert" : undefined} data-testid={testId}>
      {children}
    </div>
  );
}

/** A problem with what failed, what the server said, and the id of the request for those who look into the log. */
export function ProblemNotice({ problem, what, onRetry }: { problem: ApiProblem; what: string; onRetry?: () => void }) {
  return (
    <Notice kind="error" testId="problem">
      <p>
        <strong>{what}</strong> {problem.message}
      </p>
      {(onRetry !== undefined || problem.requestId !== null) && (
        <p class="notice-foot">
          {onRetry !== undefined && (
            <button type="button" class="button plain" onClick={onRetry}>
              Try again
            </button>
          )}
          {problem.requestId !== null && (
            <span class="muted small">
              Request <code>{problem.requestId}</code>
            </span>
          )}
        </p>
      )}
    </Notice>
  );
}
