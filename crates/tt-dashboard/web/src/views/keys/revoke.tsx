import { apiKeys } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import { announce } from "../../state/announce";
import { Confirm } from "../../ui/dialog";

interface RevokeProps {
  stored: Exact<ApiKey>;
  onRevoked: () => void;
  onClose: () => void;
}

export function RevokeKey({ stored, onRevoked, onClose }: RevokeProps) {
  const name = stored.name ?? stored.prefix;
  return (
    <Confirm
      title={`Revoke ${name}?`}
      action="Revoke the key"
      failure="The key is not revoked."
      onClose={onClose}
      onConfirm={async () => {
        await apiKeys.revoke(stored.id);
        announce(`The key ${name} is revoked.`);
        onRevoked();
      }}
    >
      <p>Programs that use it get an error within seconds. This cannot be taken back.</p>
    </Confirm>
  );
}
