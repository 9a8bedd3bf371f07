import type { CreatedApiKey } from "../../api/types";
import { Button } from "../../ui/button";
import { CopyButton } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";

/** Shows a new key, which nobody can show again. */
export function ShownOnce({ made, onClose }: { made: CreatedApiKey; onClose: () => void }) {
  return (
    <Dialog title="Copy your new API key" onClose={onClose}>
      <p>This is the only time that the key is shown. Only its fingerprint is stored.</p>
      <div class="secret">
        <code data-testid="key-token">{made.token}</code>
        <CopyButton text={made.token} what="the key" />
      </div>
      <p class="muted">
        The <a href="/docs">guide</a> shows how programs use it.
      </p>
      <div class="form-foot">
        <Button kind="primary" testId="key-done" onClick={onClose}>
          I have copied it
        </Button>
      </div>
    </Dialog>
  );
}
