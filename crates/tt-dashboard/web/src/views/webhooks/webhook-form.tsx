import { useState } from "preact/hooks";
import { webhooks } from "../../api/calls";
import type { AlertEvent, Webhook, WebhookScope, WebhookWithSecret } from "../../api/types";
import { announce } from "../../state/announce";
import { me } from "../../state/session";
import { useSubmit } from "../../state/submit";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";
import { eventsOf } from "./events";

const SCOPES: readonly { value: WebhookScope; text: string }[] = [
  { value: "own", text: "your own events" },
  { value: "installation", text: "events of all users" },
];

interface WebhookFormProps {
  /** The webhook that is changed; without it, one is added. */
  edited?: Webhook;
  /** With the secret, where one is added. */
  onSaved: (added: WebhookWithSecret | null) => void;
  onCancel?: () => void;
}

export function WebhookForm({ edited, onSaved, onCancel }: WebhookFormProps) {
  const [url, setUrl] = useState(edited?.url ?? "");
  const [label, setLabel] = useState(edited?.label ?? "");
  const [scope, setScope] = useState<WebhookScope>(edited?.scope ?? "own");
  const [events, setEvents] = useState<ReadonlySet<AlertEvent>>(
    new Set<AlertEvent>(edited?.events ?? ["budget.threshold"]),
  );
  const offered = eventsOf(scope);
  const submission = useSubmit(async () => {
    const chosen = offered.map(({ event }) => event).filter((event) => events.has(event));
    const wish = { url: url.trim(), events: chosen };
    if (edited !== undefined) {
      await webhooks.update(edited.id, { ...wish, label: label.trim() === "" ? null : label.trim() });
      announce("The webhook is changed.");
      onSaved(null);
      return;
    }
    const added = await webhooks.create({ ...wish, scope, ...(label.trim() !== "" && { label: label.trim() }) });
    setUrl("");
    setLabel("");
    onSaved(added);
  });
  const id = (name: string) => (edited === undefined ? `webhook-${name}` : `edit-webhook-${name}`);
  const choose = (event: AlertEvent, isChosen: boolean) => {
    const chosen = new Set(events);
    if (isChosen) chosen.add(event);
    else chosen.delete(event);
    setEvents(chosen);
  };
  return (
    <Form
      submission={submission}
      failure={edited === undefined ? "The webhook is not made." : "The webhook is not changed."}
      action={edited === undefined ? "Add webhook" : "Save"}
      testId={id(edited === undefined ? "add" : "save")}
      onCancel={onCancel}
    >
      <TextField
        label="Address"
        placeholder="https://…"
        testId={id("url")}
        required
        value={url}
        error={submission.errorOf("url")}
        hint="It gets a signed POST for each event."
        onValue={setUrl}
      />
      <TextField
        label="Label (optional)"
        testId={id("label")}
        value={label}
        error={submission.errorOf("label")}
        onValue={setLabel}
      />
      {edited === undefined && me.value?.role === "admin" && (
        <SelectField
          label="For"
          testId={id("scope")}
          value={scope}
          options={SCOPES}
          error={submission.errorOf("scope")}
          onValue={(value) => setScope(value as WebhookScope)}
        />
      )}
      <div class="wide">
        {offered.map(({ event, text }) => (
          <CheckField
            key={event}
            label={
              <>
                <code>{event}</code> {text}
              </>
            }
            testId={id(`event-${event}`)}
            checked={events.has(event)}
            onChecked={(isChosen) => choose(event, isChosen)}
          />
        ))}
      </div>
    </Form>
  );
}
