import { aliases } from "../../api/calls";
import type { Alias } from "../../api/types";
import { announce } from "../../state/announce";
import { Confirm } from "../../ui/dialog";

interface DeleteProps {
  alias: Alias;
  onDeleted: () => void;
  onClose: () => void;
}

export function DeleteAlias({ alias: { alias }, onDeleted, onClose }: DeleteProps) {
  return (
    <Confirm
      title={`Delete ${alias}?`}
      action="Delete the alias"
      failure="The alias is not deleted."
      onClose={onClose}
      onConfirm={async () => {
        await aliases.remove(alias);
        announce(`The alias ${alias} is deleted.`);
        onDeleted();
      }}
    >
      <p>Clients that ask for it get an error from then on. What it has cost stays in the usage.</p>
    </Confirm>
  );
}
