// The caller's webhooks: made, tried, switched on and off, deleted; and what was sent to each.

import { useState } from "preact/hooks";
import { webhooks } from "../../api/calls";
import type { Webhook, WebhookWithSecret } from "../../api/types";
import { announce } from "../../state/announce";
import { useResource } from "../../state/resource";
import { Confirm, Dialog, SecretShownOnce } from "../../ui/dialog";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { Deliveries } from "./deliveries";
import { WebhookForm } from "./webhook-form";
import { WebhookTable, type WebhookAction } from "./webhook-table";

type Opened = { action: WebhookAction; webhook: Webhook } | null;

export function Webhooks() {
  const resource = useResource("", webhooks.list);
  const [opened, setOpened] = useState<Opened>(null);
  const [made, setMade] = useState<WebhookWithSecret | null>(null);
  const close = () => setOpened(null);
  const changed = () => {
    close();
    resource.reload();
  };
  return (
    <Page title="Webhooks" lead="Addresses that are told when a budget is nearly spent, a key expires, or a record is incomplete.">
      <Card title="Add a webhook">
        <WebhookForm
          onSaved={(added) => {
            setMade(added);
            resource.reload();
          }}
        />
      </Card>
      <Card title="Your webhooks">
        <Loaded resource={resource} what="the webhooks">
          {(all) =>
            all.length === 0 ? (
              <Empty title="There is no webhook yet.">
                Add one above. The <a href="/docs">guide</a> shows how a receiver checks the signature.
              </Empty>
            ) : (
              <WebhookTable
                webhooks={all}
                onChanged={resource.reload}
                onOpen={(action, webhook) => setOpened({ action, webhook })}
              />
            )
          }
        </Loaded>
      </Card>
      {opened?.action === "deliveries" && <Deliveries webhook={opened.webhook} />}
      {opened?.action === "edit" && (
        <Dialog title="Edit the webhook" onClose={close}>
          <WebhookForm edited={opened.webhook} onSaved={changed} onCancel={close} />
        </Dialog>
      )}
      {opened?.action === "delete" && (
        <Confirm
          title="Delete the webhook?"
          action="Delete the webhook"
          failure="The webhook is not deleted."
          onClose={close}
          onConfirm={async () => {
            await webhooks.remove(opened.webhook.id);
            announce("The webhook is deleted.");
            changed();
          }}
        >
          <p>What was to be sent to {opened.webhook.url} is not sent any more.</p>
        </Confirm>
      )}
      {opened?.action === "rotate" && (
        <Confirm
          title="Make a new secret?"
          action="Make a new secret"
          failure="The secret is not replaced."
          onClose={close}
          onConfirm={async () => {
            setMade(await webhooks.rotate(opened.webhook.id));
            changed();
          }}
        >
          <p>Everything is signed with the new one at once. What the receiver refuses meanwhile is sent again for a day.</p>
        </Confirm>
      )}
      {made !== null && (
        <SecretShownOnce
          title="Copy the secret of the webhook"
          secret={made.secret}
          what="the secret"
          testId="webhook-secret"
          doneTestId="webhook-done"
          onClose={() => setMade(null)}
        >
          This is the only time that it is shown. The receiver checks with it that an event is from here.
        </SecretShownOnce>
      )}
    </Page>
  );
}
