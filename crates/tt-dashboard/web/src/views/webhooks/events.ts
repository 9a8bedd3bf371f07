import type { AlertEvent, WebhookScope } from "../../api/types";

/** The events, with what each of them tells. */
export const EVENTS: readonly { event: AlertEvent; text: string; scopes: readonly WebhookScope[] }[] = [
  { event: "budget.threshold", text: "50, 80 or 100 % of a budget are spent", scopes: ["own"] },
  { event: "budget.refused", text: "a budget refused a request", scopes: ["own"] },
  { event: "key.expiring", text: "an API key expires in 7 days, or in one", scopes: ["own"] },
  { event: "target.open", text: "a model of a provider key keeps failing, and rests", scopes: ["own"] },
  { event: "price.missing", text: "a model that was called has no price", scopes: ["own", "installation"] },
  {
    event: "ledger.gap",
    text: "requests were interrupted, or their usage is unknown",
    scopes: ["own", "installation"],
  },
  { event: "journal.behind", text: "records wait long to be stored", scopes: ["installation"] },
];

/** The events that a webhook of this scope may have. */
export function eventsOf(scope: WebhookScope) {
  return EVENTS.filter(({ scopes }) => scopes.includes(scope));
}
