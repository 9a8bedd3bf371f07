import { useState } from "preact/hooks";
import { aliases, providerKeys } from "../../api/calls";
import type { Alias, AliasWish, ProviderKey } from "../../api/types";
import { providerKeyName } from "../../lib/providers";
import { announce } from "../../state/announce";
import { useResource } from "../../state/resource";
import { useSubmit } from "../../state/submit";
import { CheckField, SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface AliasFormProps {
  all: readonly Alias[];
  keys: readonly ProviderKey[];
  /** The alias that is changed; without it, one is added. */
  edited?: Alias;
  onSaved: () => void;
  onCancel?: () => void;
}

interface Draft {
  name: string;
  target: string;
  key: string;
  fallback: string;
  usesLight: boolean;
  light: string;
  threshold: string;
}

const DEFAULT_THRESHOLD = 100;

export function AliasForm({ all, keys, edited, onSaved, onCancel }: AliasFormProps) {
  const [draft, setDraft] = useState(draftOf(edited));
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });
  const key = draft.key === "" ? String(keys[0]?.id ?? "") : draft.key;
  const models = useResource(key, (signal) =>
    key === "" ? Promise.resolve([]) : providerKeys.models(Number(key), signal),
  );
  const suggestions = models.data ?? [];
  const submission = useSubmit(async () => {
    const wish = wishOf(draft, key);
    if (edited === undefined) await aliases.create(wish);
    else await aliases.update(edited.alias, wish);
    announce(`The alias ${wish.alias} is saved.`);
    if (edited === undefined) setDraft(draftOf());
    onSaved();
  });
  const ids = edited === undefined ? NEW_IDS : EDIT_IDS;
  return (
    <Form
      submission={submission}
      failure="The alias is not saved."
      action={edited === undefined ? "Add alias" : "Save"}
      testId={ids.save}
      onCancel={onCancel}
    >
      <TextField
        label="Alias"
        placeholder="fast"
        required
        testId={ids.name}
        maxLength={255}
        value={draft.name}
        error={submission.errorOf("alias")}
        hint="An * at its end catches every name that begins so."
        onValue={(name) => set({ name })}
      />
      <TextField
        label="Target model"
        placeholder="gpt-4o-mini"
        required
        testId={ids.target}
        value={draft.target}
        error={submission.errorOf("target_model")}
        suggestions={suggestions}
        hint="* is the name as it was asked for."
        onValue={(target) => set({ target })}
      />
      <SelectField
        label="Provider key"
        required
        testId={ids.key}
        value={key}
        error={submission.errorOf("provider_key_id")}
        options={keys.map((stored) => ({ value: String(stored.id), text: providerKeyName(stored) }))}
        onValue={(value) => set({ key: value })}
      />
      <SelectField
        label="If it fails, try"
        testId={ids.fallback}
        value={draft.fallback}
        error={submission.errorOf("fallback_alias_id")}
        options={[
          { value: "0", text: "nothing else" },
          ...all.filter(({ id }) => id !== edited?.id).map(({ id, alias }) => ({ value: String(id), text: alias })),
        ]}
        onValue={(fallback) => set({ fallback })}
      />
      <div class="wide">
        <CheckField
          label="Send small requests to a cheaper model"
          testId={ids.usesLight}
          checked={draft.usesLight}
          onChecked={(usesLight) => set({ usesLight })}
        />
      </div>
      {draft.usesLight && (
        <>
          <TextField
            label="Model for small requests"
            required
            testId={ids.light}
            value={draft.light}
            error={submission.errorOf("light_model")}
            suggestions={suggestions}
            onValue={(light) => set({ light })}
          />
          <TextField
            label="Small: input tokens under"
            type="number"
            min={0}
            required
            testId={ids.threshold}
            value={draft.threshold}
            error={submission.errorOf("light_model_threshold")}
            onValue={(threshold) => set({ threshold })}
          />
        </>
      )}
    </Form>
  );
}

const NEW_IDS = {
  name: "alias-name",
  target: "alias-target",
  key: "alias-provider-key",
  fallback: "alias-fallback",
  usesLight: "alias-uses-light",
  light: "alias-light",
  threshold: "alias-threshold",
  save: "alias-add",
};

const EDIT_IDS = Object.fromEntries(
  Object.entries(NEW_IDS).map(([field, id]) => [field, field === "save" ? "alias-save" : `edit-${id}`]),
) as typeof NEW_IDS;

function draftOf(alias?: Alias): Draft {
  return {
    name: alias?.alias ?? "",
    target: alias?.target_model ?? "",
    key: alias === undefined ? "" : String(alias.provider_key_id),
    fallback: String(alias?.fallback_alias_id ?? 0),
    usesLight: alias?.use_light_model ?? false,
    light: alias?.light_model ?? "",
    threshold: String(alias?.light_model_threshold ?? DEFAULT_THRESHOLD),
  };
}

function wishOf(draft: Draft, key: string): AliasWish {
  return {
    alias: draft.name.trim(),
    target_model: draft.target.trim(),
    provider_key_id: Number(key),
    fallback_alias_id: Number(draft.fallback),
    use_light_model: draft.usesLight,
    light_model: draft.light.trim(),
    light_model_threshold: Number(draft.threshold),
  };
}
