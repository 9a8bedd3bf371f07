import { useState } from "preact/hooks";
import { providerKeys } from "../../api/calls";
import type { ProviderKey, ProviderKeyPatch } from "../../api/types";
import { providerKeyName } from "../../lib/providers";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface EditProps {
  stored: ProviderKey;
  onChanged: () => void;
  onClose: () => void;
}

/** Another label, or another key in the place of the stored one. The address can only be changed together with the key. */
export function EditProviderKey({ stored, onChanged, onClose }: EditProps) {
  const [label, setLabel] = useState(stored.label ?? "");
  const [apiKey, setApiKey] = useState("");
  const [baseUrl, setBaseUrl] = useState(stored.base_url ?? "");
  const submission = useSubmit(async () => {
    const patch: ProviderKeyPatch = { label: label.trim() === "" ? null : label.trim() };
    if (apiKey !== "") patch.api_key = apiKey;
    if (baseUrl.trim() !== (stored.base_url ?? "")) patch.base_url = baseUrl.trim() === "" ? null : baseUrl.trim();
    await providerKeys.update(stored.id, patch);
    announce("The key is changed.");
    onChanged();
  });
  return (
    <Dialog title={`Edit ${providerKeyName(stored)}`} onClose={onClose}>
      <Form
        submission={submission}
        failure="The key is not changed."
        action="Save"
        testId="edit-save"
        onCancel={onClose}
      >
        <TextField
          label="Label"
          testId="edit-label"
          value={label}
          error={submission.errorOf("label")}
          onValue={setLabel}
        />
        <TextField
          label="New key"
          type="password"
          testId="edit-key"
          value={apiKey}
          error={submission.errorOf("api_key")}
          hint="Leave it empty to keep the stored one."
          onValue={setApiKey}
        />
        <TextField
          label="Address"
          placeholder="https://…"
          value={baseUrl}
          error={submission.errorOf("base_url")}
          hint="Another address needs the key anew: a stored key is never sent to a host that it was not saved for."
          onValue={setBaseUrl}
        />
      </Form>
    </Dialog>
  );
}
