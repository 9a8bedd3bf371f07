import { useState } from "preact/hooks";
import { providerKeys } from "../../api/calls";
import type { ProviderKey, ProviderKeyPatch } from "../../api/types";
import { providerKeyName } from "../../lib/providers";
import { announce } from "../../state/announce";
import { useSubmit } from "../../state/submit";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { ProblemNotice } from "../../ui/notice";

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
      <form class="form" onSubmit={submission.onSubmit}>
        {submission.problem !== null && <ProblemNotice what="The key is not changed." problem={submission.problem} />}
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
        <div class="form-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" isBusy={submission.isBusy} testId="edit-save">
            Save
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
