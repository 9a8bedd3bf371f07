import { useState } from "preact/hooks";
import { admin } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Period, Role, User, UserPatch } from "../../api/types";
import { typedMoney } from "../../api/typed-money";
import { exact } from "../../lib/money";
import { PERIODS } from "../../lib/periods";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { Dialog } from "../../ui/dialog";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface UserDialogProps {
  user: Exact<User>;
  onSaved: () => void;
  onClose: () => void;
}

const ROLES: readonly { value: Role; text: string }[] = [
  { value: "user", text: "user" },
  { value: "admin", text: "administrator" },
];

export function UserDialog({ user, onSaved, onClose }: UserDialogProps) {
  const [role, setRole] = useState<Role>(user.role);
  const [isDisabled, setDisabled] = useState(user.disabled);
  const [minute, setMinute] = useState(String(user.rate_limit_minute));
  const [daily, setDaily] = useState(String(user.rate_limit_daily));
  const [budget, setBudget] = useState(user.budget_usd === null ? "" : exact(user.budget_usd));
  const [period, setPeriod] = useState<Period>(user.budget_period ?? "month");
  const [isSoft, setSoft] = useState(user.budget_soft);
  const submission = useSubmit(async () => {
    const money: Exact<UserPatch> =
      budget.trim() === ""
        ? { budget_usd: null }
        : { budget_usd: typedMoney(budget, "budget_usd"), budget_period: period, budget_soft: isSoft };
    await admin.updateUser(user.id, {
      role,
      disabled: isDisabled,
      rate_limit_minute: Number(minute),
      rate_limit_daily: Number(daily),
      ...money,
    });
    announce(`${user.email} is changed.`);
    onSaved();
  });
  return (
    <Dialog title={`Edit ${user.email}`} onClose={onClose}>
      <Form
        submission={submission}
        failure="The user is not changed."
        action="Save"
        testId="user-save"
        onCancel={onClose}
      >
        <SelectField
          label="Role"
          value={role}
          options={ROLES}
          error={submission.errorOf("role")}
          onValue={(value) => setRole(value as Role)}
        />
        <div class="field">
          <CheckField label="Disabled: nothing of this user works" checked={isDisabled} onChecked={setDisabled} />
        </div>
        <TextField
          label="Requests a minute"
          type="number"
          min={0}
          required
          hint="0: the server's own limit."
          value={minute}
          error={submission.errorOf("rate_limit_minute")}
          onValue={setMinute}
        />
        <TextField
          label="Requests a UTC day"
          type="number"
          min={0}
          required
          value={daily}
          error={submission.errorOf("rate_limit_daily")}
          onValue={setDaily}
        />
        <TextField
          label="Budget in USD"
          inputMode="decimal"
          testId="user-budget"
          hint="Empty: none. The user's own budget holds besides."
          value={budget}
          error={submission.errorOf("budget_usd")}
          onValue={setBudget}
        />
        <SelectField
          label="Budget for each UTC"
          value={period}
          options={PERIODS}
          error={submission.errorOf("budget_period")}
          onValue={(value) => setPeriod(value as Period)}
        />
        <div class="field">
          <CheckField label="Soft: it warns, and refuses nothing" checked={isSoft} onChecked={setSoft} />
        </div>
      </Form>
    </Dialog>
  );
}
