import { providerKeys } from "../../api/calls";
import type { ProviderKey } from "../../api/types";
import { providerKeyName } from "../../lib/providers";
import { announce } from "../../state/announce";
import { Confirm } from "../../ui/dialog";

interface DeleteProps {
  stored: ProviderKey;
  onDeleted: () => void;
  onClose: () => void;
}

export function DeleteProviderKey({ stored, onDeleted, onClose }: DeleteProps) {
  const name = providerKeyName(stored);
  return (
    <Confirm
      title={`Delete ${name}?`}
      action="Delete the key"
      failure="The key is not deleted."
      onClose={onClose}
      onConfirm={async () => {
        await providerKeys.remove(stored.id);
        announce(`${name} is deleted.`);
        onDeleted();
      }}
    >
      <p>The stored key is removed and cannot be shown or restored. Aliases that use it must be changed first.</p>
    </Confirm>
  );
}
