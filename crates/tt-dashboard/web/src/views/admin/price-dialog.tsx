import { useState } from "preact/hooks";
import { prices } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Price, PricesPerMillion, PriceWish, Provider } from "../../api/types";
import { typedMoney } from "../../api/typed-money";
import { exact } from "../../lib/money";
import { PROVIDERS } from "../../lib/providers";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { Dialog } from "../../ui/dialog";
import { SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface PriceDialogProps {
  entry: Exact<Price> | null;
  onSaved: () => void;
  onClose: () => void;
}

const CACHES = ["cache_read", "cache_write_5m", "cache_write_1h"] as const;

const CLASSES: readonly { name: keyof PricesPerMillion; title: string; isRequired: boolean }[] = [
  { name: "input", title: "Input", isRequired: true },
  { name: "output", title: "Output", isRequired: true },
  { name: "cache_read", title: "Cache read", isRequired: false },
  { name: "cache_write_5m", title: "Cache write, 5 minutes", isRequired: false },
  { name: "cache_write_1h", title: "Cache write, 1 hour", isRequired: false },
];

type Amounts = Record<keyof PricesPerMillion, string>;

export function PriceDialog({ entry, onSaved, onClose }: PriceDialogProps) {
  const [provider, setProvider] = useState<Provider>(entry?.provider ?? "openai");
  const [model, setModel] = useState(entry?.model ?? "");
  const [amounts, setAmounts] = useState(amountsOf(entry));
  const [from, setFrom] = useState("");
  const submission = useSubmit(async () => {
    await prices.set(provider, model.trim(), wishOf(amounts, from));
    announce(`The price of ${model} is set.`);
    onSaved();
  });
  return (
    <Dialog title="Set a price" onClose={onClose}>
      <Form
        submission={submission}
        failure="The price is not set."
        action="Set the price"
        testId="price-save"
        onCancel={onClose}
      >
        <SelectField
          label="Provider"
          value={provider}
          options={PROVIDERS}
          onValue={(value) => setProvider(value as Provider)}
        />
        <TextField label="Model" required testId="price-model" value={model} onValue={setModel} />
        {CLASSES.map(({ name, title, isRequired }) => (
          <TextField
            key={name}
            label={`${title}, USD a million`}
            inputMode="decimal"
            required={isRequired}
            testId={`price-${name}`}
            value={amounts[name]}
            placeholder={isRequired ? "" : "as input"}
            error={submission.errorOf(name, `usd_per_million.${name}`)}
            onValue={(value) => setAmounts({ ...amounts, [name]: value })}
          />
        ))}
        <TextField
          label="In force from"
          type="datetime-local"
          value={from}
          hint="Empty: from now on. In your zone; it may lie in the past."
          error={submission.errorOf("effective_from")}
          onValue={setFrom}
        />
      </Form>
    </Dialog>
  );
}

function amountsOf(entry: Exact<Price> | null): Amounts {
  const text = (name: keyof PricesPerMillion) => {
    const amount = entry?.usd_per_million[name] ?? null;
    return amount === null ? "" : exact(amount);
  };
  return {
    input: text("input"),
    output: text("output"),
    cache_read: text("cache_read"),
    cache_write_5m: text("cache_write_5m"),
    cache_write_1h: text("cache_write_1h"),
  };
}

function wishOf(amounts: Amounts, from: string): Exact<PriceWish> {
  const typed = (name: keyof PricesPerMillion) => typedMoney(amounts[name], name);
  const caches = CACHES.filter((name) => amounts[name].trim() !== "");
  return {
    usd_per_million: {
      input: typed("input"),
      output: typed("output"),
      ...Object.fromEntries(caches.map((name) => [name, typed(name)])),
    },
    ...(from !== "" && { effective_from: new Date(from).toISOString() }),
  };
}
