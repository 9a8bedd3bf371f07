import { useState } from "preact/hooks";
import { budgets } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Budget, Period } from "../../api/types";
import { typedMoney } from "../../api/typed-money";
import { exact } from "../../lib/money";
import { PERIODS } from "../../lib/periods";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

/** Sets the user's own budget, or removes it. */
export function BudgetForm({ budget, onSaved }: { budget: Exact<Budget>; onSaved: () => void }) {
  const [limit, setLimit] = useState(budget.limit_usd === null ? "" : exact(budget.limit_usd));
  const [period, setPeriod] = useState<Period>(budget.period ?? "month");
  const [isSoft, setSoft] = useState(budget.soft ?? false);
  const submission = useSubmit(async () => {
    const isNone = limit.trim() === "";
    await budgets.set(isNone ? { limit_usd: null } : { limit_usd: typedMoney(limit, "limit_usd"), period, soft: isSoft });
    announce(isNone ? "Your budget is removed." : "Your budget is set.");
    onSaved();
  });
  return (
    <Form submission={submission} failure="The budget is not set." action="Set the budget" testId="budget-save">
      <TextField
        label="Limit in USD"
        inputMode="decimal"
        placeholder="25.00"
        testId="budget-limit"
        value={limit}
        hint="Empty: no budget."
        error={submission.errorOf("limit_usd")}
        onValue={setLimit}
      />
      <SelectField
        label="For each UTC"
        testId="budget-period"
        value={period}
        options={PERIODS}
        error={submission.errorOf("period")}
        onValue={(value) => setPeriod(value as Period)}
      />
      <div class="field">
        <CheckField
          label="Soft: webhooks are told, and nothing is refused"
          testId="budget-soft"
          checked={isSoft}
          onChecked={setSoft}
        />
      </div>
    </Form>
  );
}
