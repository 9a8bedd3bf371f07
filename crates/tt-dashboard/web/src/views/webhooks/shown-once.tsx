import type { WebhookWithSecret } from "../../api/types";
import { Button } from "../../ui/button";
import { CopyButton } from "../../ui/copy";
import { Dialog } from "../../ui/dialog";

/** Shows the secret of a webhook, which nobody can show again. */
export function SecretShownOnce({ made, onClose }: { made: WebhookWithSecret; onClose: () => void }) {
  return (
    <Dialog title="Copy the secret of the webhook" onClose={onClose}>
      <p>This is the only time that it is shown. The receiver checks with it that an event is from here.</p>
      <div class="secret">
        <code data-testid="webhook-secret">{made.secret}</code>
        <CopyButton text={made.secret} what="the secret" />
      </div>
      <p class="muted">
        The <a href="/docs">guide</a> shows how.
      </p>
      <div class="form-foot">
        <Button kind="primary" testId="webhook-done" onClick={onClose}>
          I have copied it
        </Button>
      </div>
    </Dialog>
  );
}
