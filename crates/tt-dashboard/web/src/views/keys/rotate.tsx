import { useState } from "preact/hooks";
import { apiKeys } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { ApiKey, CreatedApiKey } from "../../api/types";
import { useSubmit } from "../../state/submit";
import { Dialog } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Form } from "../../ui/form";

interface RotateProps {
  stored: Exact<ApiKey>;
  onRotated: (made: CreatedApiKey) => void;
  onClose: () => void;
}

/** Makes a key with the same name, scopes and limits; the old one works until the grace is over. */
export function RotateKey({ stored, onRotated, onClose }: RotateProps) {
  const [hours, setHours] = useState("24");
  const submission = useSubmit(async () => onRotated(await apiKeys.rotate(stored.id, Number(hours))));
  return (
    <Dialog title={`Rotate ${stored.name ?? stored.prefix}?`} onClose={onClose}>
      <Form
        submission={submission}
        failure="The key is not rotated."
        action="Rotate the key"
        testId="confirm"
        onCancel={onClose}
      >
        <p class="wide">A new key with the same name, scopes and limits is made.</p>
        <TextField
          label="Hours that the old key goes on working"
          type="number"
          min={0}
          max={720}
          required
          value={hours}
          error={submission.errorOf("grace_hours")}
          onValue={setHours}
        />
      </Form>
    </Dialog>
  );
}
