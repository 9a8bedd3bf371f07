import { useState } from "preact/hooks";
import { apiKeys } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { CreatedApiKey, NewApiKey, Period, Scope } from "../../api/types";
import { typedMoney } from "../../api/typed-money";
import { PERIODS } from "../../lib/periods";
import { useSubmit } from "../../state/submit";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface CreateProps {
  aliases: readonly string[];
  onCreated: (made: CreatedApiKey) => void;
}

interface Draft {
  name: string;
  days: string;
  mayManage: boolean;
  allowed: string;
  perMinute: string;
  perDay: string;
  budget: string;
  period: Period;
  isSoft: boolean;
}

const EMPTY: Draft = {
  name: "",
  days: "365",
  mayManage: false,
  allowed: "",
  perMinute: "",
  perDay: "",
  budget: "",
  period: "month",
  isSoft: false,
};

export function CreateKey({ aliases, onCreated }: CreateProps) {
  const [draft, setDraft] = useState(EMPTY);
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });
  const submission = useSubmit(async () => {
    const made = await apiKeys.create(wishOf(draft));
    setDraft(EMPTY);
    onCreated(made);
  });
  return (
    <Form submission={submission} failure="The key is not made." action="Make a key" testId="key-create">
      <TextField
        label="Name (optional)"
        placeholder="my app"
        testId="key-name"
        value={draft.name}
        error={submission.errorOf("name")}
        onValue={(name) => set({ name })}
      />
      <TextField
        label="Days until it ends"
        type="number"
        min={1}
        testId="key-days"
        value={draft.days}
        hint="Empty: it never ends."
        error={submission.errorOf("expires_in_days")}
        onValue={(days) => set({ days })}
      />
      <details>
        <summary>Scopes, limits and budget</summary>
        <div class="form">
          <div class="wide">
            <CheckField
              label="May manage the account as well (aliases, provider keys, budgets, usage)"
              testId="key-manage"
              checked={draft.mayManage}
              onChecked={(mayManage) => set({ mayManage })}
            />
          </div>
          <TextField
            label="Only these aliases"
            placeholder="fast, smart"
            hint={aliases.length > 0 ? `Of ${aliases.slice(0, 8).join(", ")}. Empty: all.` : "Empty: all."}
            value={draft.allowed}
            error={submission.errorOf("allowed_aliases")}
            onValue={(allowed) => set({ allowed })}
          />
          <TextField
            label="Requests a minute"
            type="number"
            min={0}
            hint="Empty: your own limit alone."
            value={draft.perMinute}
            error={submission.errorOf("rate_limit_minute")}
            onValue={(perMinute) => set({ perMinute })}
          />
          <TextField
            label="Requests a UTC day"
            type="number"
            min={0}
            value={draft.perDay}
            error={submission.errorOf("rate_limit_daily")}
            onValue={(perDay) => set({ perDay })}
          />
          <TextField
            label="Budget in USD"
            inputMode="decimal"
            placeholder="25.00"
            testId="key-budget"
            value={draft.budget}
            error={submission.errorOf("budget_usd")}
            onValue={(budget) => set({ budget })}
          />
          <SelectField
            label="Budget for each"
            value={draft.period}
            options={PERIODS}
            error={submission.errorOf("budget_period")}
            onValue={(period) => set({ period: period as Period })}
          />
          <div class="field">
            <CheckField
              label="Soft: webhooks are told, and nothing is refused"
              testId="key-soft"
              checked={draft.isSoft}
              onChecked={(isSoft) => set({ isSoft })}
            />
          </div>
        </div>
      </details>
    </Form>
  );
}

function wishOf(draft: Draft): Exact<NewApiKey> {
  const scopes: Scope[] = draft.mayManage ? ["proxy", "manage"] : ["proxy"];
  const allowed = draft.allowed.split(/[\s,]+/).filter((name) => name !== "");
  return {
    scopes,
    expires_in_days: draft.days.trim() === "" ? null : Number(draft.days),
    ...(draft.name.trim() !== "" && { name: draft.name.trim() }),
    ...(allowed.length > 0 && { allowed_aliases: allowed }),
    ...(draft.perMinute !== "" && { rate_limit_minute: Number(draft.perMinute) }),
    ...(draft.perDay !== "" && { rate_limit_daily: Number(draft.perDay) }),
    ...(draft.budget.trim() !== "" && {
      budget_usd: typedMoney(draft.budget, "budget_usd"),
      budget_period: draft.period,
      budget_soft: draft.isSoft,
    }),
  };
}
