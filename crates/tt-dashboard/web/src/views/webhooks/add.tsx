import { useState } from "preact/hooks";
import { webhooks } from "../../api/calls";
import type { AlertEvent, WebhookScope, WebhookWithSecret } from "../../api/types";
import { me } from "../../state/session";
import { useSubmit } from "../../state/submit";
import { Button } from "../../ui/button";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { ProblemNotice } from "../../ui/notice";
import { eventsOf } from "./events";

const SCOPES: readonly { value: WebhookScope; text: string }[] = [
  { value: "own", text: "your own events" },
  { value: "installation", text: "events of all users" },
];

export function AddWebhook({ onAdded }: { onAdded: (webhook: WebhookWithSecret) => void }) {
  const [url, setUrl] = useState("");
  const [label, setLabel] = useState("");
  const [scope, setScope] = useState<WebhookScope>("own");
  const [events, setEvents] = useState<ReadonlySet<AlertEvent>>(new Set<AlertEvent>(["budget.threshold"]));
  const offered = eventsOf(scope);
  const submission = useSubmit(async () => {
    const added = await webhooks.create({
      url: url.trim(),
      events: offered.map(({ event }) => event).filter((event) => events.has(event)),
      scope,
      ...(label.trim() !== "" && { label: label.trim() }),
    });
    setUrl("");
    setLabel("");
    onAdded(added);
  });
  const choose = (event: AlertEvent, isChosen: boolean) => {
    const chosen = new Set(events);
    if (isChosen) chosen.add(event);
    else chosen.delete(event);
    setEvents(chosen);
  };
  return (
    <form class="form" onSubmit={submission.onSubmit}>
      {submission.problem !== null && <ProblemNotice what="The webhook is not made." problem={submission.problem} />}
      <TextField
        label="Address"
        placeholder="https://…"
        testId="webhook-url"
        required
        value={url}
        error={submission.errorOf("url")}
        hint="It gets a signed POST for each event."
        onValue={setUrl}
      />
      <TextField
        label="Label (optional)"
        testId="webhook-label"
        value={label}
        error={submission.errorOf("label")}
        onValue={setLabel}
      />
      {me.value?.role === "admin" && (
        <SelectField
          label="For"
          testId="webhook-scope"
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
            testId={`webhook-event-${event}`}
            checked={events.has(event)}
            onChecked={(isChosen) => choose(event, isChosen)}
          />
        ))}
      </div>
      <div class="form-foot">
        <Button kind="primary" type="submit" isBusy={submission.isBusy} testId="webhook-add">
          Add webhook
        </Button>
      </div>
    </form>
  );
}
