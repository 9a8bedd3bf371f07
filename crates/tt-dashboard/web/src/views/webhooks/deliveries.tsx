import { webhooks } from "../../api/calls";
import type { Webhook, WebhookDelivery } from "../../api/types";
import { announce } from "../../state/announce";
import { useResource } from "../../state/resource";
import { useSubmit } from "../../state/submit";
import { Badge, type BadgeKind } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Loaded } from "../../ui/loaded";
import { ProblemNotice } from "../../ui/notice";
import { Card, Empty } from "../../ui/page";
import { Table } from "../../ui/table";

const KINDS: Record<WebhookDelivery["status"], BadgeKind> = { pending: "warning", delivered: "good", failed: "bad" };

/** The newest deliveries to a webhook. */
export function Deliveries({ webhook }: { webhook: Webhook }) {
  const resource = useResource(String(webhook.id), (signal) => webhooks.deliveries(webhook.id, signal));
  return (
    <Card
      title={`Deliveries to ${webhook.label ?? webhook.url}`}
      note="the newest 100"
      testId="webhook-delivery-list"
      actions={
        <Button kind="quiet" onClick={resource.reload}>
          Look again
        </Button>
      }
    >
      <Loaded resource={resource} what="the deliveries">
        {(page) =>
          page.data.length === 0 ? (
            <Empty title="Nothing was sent yet." />
          ) : (
            <Table
              caption="Deliveries"
              rows={page.data}
              rowKey={(delivery) => delivery.id}
              rowTestId="webhook-delivery"
              columns={[
                { kind: "time", title: "Time", value: (delivery) => delivery.created_at },
                { kind: "text", title: "Event", value: (delivery) => delivery.event },
                {
                  kind: "text",
                  title: "Status",
                  value: (delivery) => delivery.status,
                  cell: (delivery) => <Badge kind={KINDS[delivery.status]}>{delivery.status}</Badge>,
                },
                { kind: "number", title: "Attempts", value: (delivery) => delivery.attempts },
                { kind: "text", title: "Last failure", value: (delivery) => delivery.last_error },
                { kind: "time", title: "Next attempt", value: (delivery) => delivery.next_attempt_at },
              ]}
              actions={(delivery) => <SendAgain webhook={webhook} delivery={delivery} onSent={resource.reload} />}
            />
          )
        }
      </Loaded>
    </Card>
  );
}

interface SendAgainProps {
  webhook: Webhook;
  delivery: WebhookDelivery;
  onSent: () => void;
}

function SendAgain({ webhook, delivery, onSent }: SendAgainProps) {
  const submission = useSubmit(async () => {
    await webhooks.redeliver(webhook.id, delivery.id);
    announce("It is sent again.");
    onSent();
  });
  return (
    <>
      <Button kind="quiet" isBusy={submission.isBusy} label={`Send ${delivery.event_id} again`} onClick={submission.run}>
        Send again
      </Button>
      {submission.problem !== null && <ProblemNotice what="It is not sent again." problem={submission.problem} />}
    </>
  );
}
