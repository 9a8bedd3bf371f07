import { useState } from "preact/hooks";
import { providerKeys } from "../../api/calls";
import type { Provider } from "../../api/types";
import { PROVIDERS, providerKeyName } from "../../lib/providers";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { SelectField, TextField } from "../../ui/field";
import { Form } from "../../ui/form";

export function AddProviderKey({ onAdded }: { onAdded: () => void }) {
  const [provider, setProvider] = useState<Provider>("openai");
  const [apiKey, setApiKey] = useState("");
  const [label, setLabel] = useState("");
  const [baseUrl, setBaseUrl] = useState("");
  const submission = useSubmit(async () => {
    const added = await providerKeys.create({
      provider,
      api_key: apiKey,
      ...(label.trim() !== "" && { label: label.trim() }),
      ...(baseUrl.trim() !== "" && { base_url: baseUrl.trim() }),
    });
    setApiKey("");
    setLabel("");
    setBaseUrl("");
    announce(`${providerKeyName(added)} is stored.`);
    onAdded();
  });
  return (
    <Form submission={submission} failure="The key is not stored." action="Add key" testId="provider-add">
      <SelectField
        label="Provider"
        testId="provider-select"
        value={provider}
        options={PROVIDERS}
        error={submission.errorOf("provider")}
        onValue={(value) => setProvider(value as Provider)}
      />
      <TextField
        label="Key"
        type="password"
        testId="provider-key"
        required
        value={apiKey}
        error={submission.errorOf("api_key")}
        onValue={setApiKey}
      />
      <TextField
        label="Label (optional)"
        testId="provider-label"
        value={label}
        error={submission.errorOf("label")}
        onValue={setLabel}
      />
      <TextField
        label="Address (optional)"
        placeholder="https://…"
        testId="provider-base-url"
        value={baseUrl}
        error={submission.errorOf("base_url")}
        hint="Another host that speaks the provider's API."
        onValue={setBaseUrl}
      />
    </Form>
  );
}
