import { useState } from "preact/hooks";
import { webhooks as calls } from "../../api/calls";
import type { Webhook, WebhookTest } from "../../api/types";
import { duration } from "../../lib/format";
import { useSubmit } from "../../state/submit";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { ProblemNotice } from "../../ui/notice";
import { Table } from "../../ui/table";

export type WebhookAction = "edit" | "delete" | "deliveries" | "rotate";

interface WebhookTableProps {
  webhooks: readonly Webhook[];
  onChanged: () => void;
  onOpen: (action: WebhookAction, webhook: Webhook) => void;
}

/** The buttons of a row, each with the words that a screen reader says before the webhook's name. */
const ACTIONS: readonly { action: WebhookAction; text: string; title: string }[] = [
  { action: "deliveries", text: "Deliveries", title: "Deliveries to" },
  { action: "edit", text: "Edit", title: "Edit" },
  { action: "rotate", text: "New secret", title: "New secret for" },
  { action: "delete", text: "Delete", title: "Delete" },
];

/** The name of a webhook for readers. */
function nameOf({ label, url }: Webhook): string {
  return label ?? url;
}

export function WebhookTable({ webhooks, onChanged, onOpen }: WebhookTableProps) {
  return (
    <Table
      caption="Webhooks"
      rows={webhooks}
      rowKey={(webhook) => webhook.id}
      rowTestId="webhook-row"
      columns={[
        {
          kind: "text",
          title: "Address",
          value: (webhook) => webhook.url,
          cell: ({ url, label, scope }) => (
            <div class="wraps">
              <span class="break">{url}</span>
              <br />
              <span class="muted">{label}</span> {scope === "installation" && <Badge>of all users</Badge>}
            </div>
          ),
        },
        {
          kind: "text",
          title: "Events",
          value: (webhook) => webhook.events.join(", "),
          cell: (webhook) => <div class="wraps">{webhook.events.join(", ")}</div>,
        },
        {
          kind: "text",
          title: "Active",
          value: (webhook) => (webhook.active ? "yes" : "no"),
          cell: (webhook) => <Active webhook={webhook} onChanged={onChanged} />,
        },
        { kind: "text", title: "Test", value: () => null, cell: (webhook) => <TestWebhook webhook={webhook} /> },
      ]}
      actions={(webhook) =>
        ACTIONS.map(({ action, text, title }) => (
          <Button
            key={action}
            kind="quiet"
            label={`${title} ${nameOf(webhook)}`}
            testId={`webhook-${action}`}
            onClick={() => onOpen(action, webhook)}
          >
            {text}
          </Button>
        ))
      }
    />
  );
}

/** Says whether a webhook is active, and switches it. */
function Active({ webhook, onChanged }: { webhook: Webhook; onChanged: () => void }) {
  const submission = useSubmit(async () => {
    await calls.update(webhook.id, { active: !webhook.active });
    onChanged();
  });
  const verb = webhook.active ? "Switch off" : "Switch on";
  return (
    <>
      <Badge kind={webhook.active ? "good" : "plain"}>{webhook.active ? "active" : "off"}</Badge>{" "}
      <Button
        kind="quiet"
        label={`${verb} ${nameOf(webhook)}`}
        isBusy={submission.isBusy}
        testId="webhook-switch"
        onClick={submission.run}
      >
        {verb}
      </Button>
      {submission.problem !== null && <ProblemNotice what="It is not switched." problem={submission.problem} />}
    </>
  );
}

/** Sends a test, and shows what the receiver answered. */
function TestWebhook({ webhook }: { webhook: Webhook }) {
  const [result, setResult] = useState<WebhookTest | null>(null);
  const submission = useSubmit(async () => setResult(await calls.test(webhook.id)));
  return (
    <div role="status">
      <Button
        kind="quiet"
        label={`Test ${nameOf(webhook)}`}
        isBusy={submission.isBusy}
        testId="webhook-test"
        onClick={submission.run}
      >
        {submission.isBusy ? "Sending…" : "Test"}
      </Button>
      {submission.problem !== null && <ProblemNotice what="The test was not made." problem={submission.problem} />}
      {result !== null && (
        <p class="small" data-testid="webhook-test-result">
          <Badge kind={result.ok ? "good" : "bad"}>{result.status ?? "no answer"}</Badge> {result.message}{" "}
          <span class="muted">({duration(result.latency_ms)})</span>
        </p>
      )}
    </div>
  );
}
