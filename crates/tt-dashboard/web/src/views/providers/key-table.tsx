import { useState } from "preact/hooks";
import { providerKeys } from "../../api/calls";
import type { ProviderKey, ProviderTest } from "../../api/types";
import { duration } from "../../lib/format";
import { providerKeyName, providerTitle } from "../../lib/providers";
import { useSubmit } from "../../state/submit";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { ProblemNotice } from "../../ui/notice";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";

interface KeyTableProps {
  keys: readonly ProviderKey[];
  onOpen: (action: "edit" | "delete", key: ProviderKey) => void;
}

export function ProviderKeyTable({ keys, onOpen }: KeyTableProps) {
  return (
    <Table
      caption="Provider keys"
      rows={keys}
      rowKey={(key) => key.id}
      rowTestId="provider-row"
      columns={[
        { kind: "text", title: "Provider", value: (key) => providerTitle(key.provider) },
        { kind: "text", title: "Label", value: (key) => key.label },
        { kind: "text", title: "Address", value: (key) => key.base_url ?? "the provider's own" },
        { kind: "text", title: "Health", value: health, cell: (key) => <Health stored={key} /> },
        { kind: "time", title: "Added", value: (key) => key.created_at },
        { kind: "text", title: "Test", value: () => null, cell: (key) => <TestKey stored={key} /> },
      ]}
      actions={(key) => (
        <>
          <Button
            kind="quiet"
            label={`Edit ${providerKeyName(key)}`}
            testId="provider-edit"
            onClick={() => onOpen("edit", key)}
          >
            Edit
          </Button>
          <Button
            kind="quiet"
            label={`Delete ${providerKeyName(key)}`}
            testId="provider-delete"
            onClick={() => onOpen("delete", key)}
          >
            Delete
          </Button>
        </>
      )}
    />
  );
}

/** The models of the key that rest, each with the end of its rest and the reason. */
function Health({ stored }: { stored: ProviderKey }) {
  const resting = stored.targets.filter((target) => target.state !== "closed");
  if (resting.length === 0) return <>{health(stored)}</>;
  return (
    <div class="small wraps" data-testid="provider-resting">
      {resting.map((target) => (
        <div key={target.model}>
          <Badge kind="warning">{target.cause}</Badge> {target.model}{" "}
          {target.state === "open" ? (
            <>
              rests until <Time at={target.until} precision="second" />
            </>
          ) : (
            "is tried again with the next request"
          )}
        </div>
      ))}
    </div>
  );
}

function health(key: ProviderKey): string {
  const resting = key.targets.filter((target) => target.state !== "closed");
  return resting.length === 0 ? "well" : resting.map((target) => target.model).join(", ");
}

/** Asks the provider with the stored key, and shows what it said. */
function TestKey({ stored }: { stored: ProviderKey }) {
  const [result, setResult] = useState<ProviderTest | null>(null);
  const submission = useSubmit(async () => setResult(await providerKeys.test(stored.id)));
  return (
    <div role="status">
      <Button
        kind="quiet"
        label={`Test ${providerKeyName(stored)}`}
        isBusy={submission.isBusy}
        testId="provider-test"
        onClick={submission.run}
      >
        {submission.isBusy ? "Asking…" : "Test"}
      </Button>
      {submission.problem !== null && <ProblemNotice what="The test was not made." problem={submission.problem} />}
      {result !== null && (
        <p class="small" data-testid="provider-test-result">
          <Badge kind={result.ok ? "good" : "bad"}>{result.status ?? "no answer"}</Badge> {result.message}{" "}
          <span class="muted">({duration(result.latency_ms)})</span>
        </p>
      )}
    </div>
  );
}
