// Dialogs: the browser's own, which keep the focus inside and close by Escape.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { useSubmit } from "../state/submit";
import { Button } from "./button";
import { CopyButton } from "./copy";
import { Form } from "./form";

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    if (dialog === null) return undefined;
    dialog.addEventListener("close", onClose);
    dialog.showModal();
    return () => {
      // It gives the focus back. The event comes later, when another dialog may be open.
      dialog.removeEventListener("close", onClose);
      dialog.close();
    };
  }, []);
  return (
    <dialog ref={element} aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

interface ConfirmProps {
  title: string;
  /** What will happen. */
  children: ComponentChildren;
  /** The words on the button that does it. */
  action: string;
  /** What failed, where it fails. */
  failure: string;
  isHarmless?: boolean;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

/** Asks before something is done that cannot be taken back. */
export function Confirm(props: ConfirmProps) {
  const { title, children, action, failure, onClose } = props;
  const submission = useSubmit(async () => {
    await props.onConfirm();
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        submission={submission}
        failure={failure}
        action={action}
        kind={props.isHarmless ? "primary" : "danger"}
        testId="confirm"
        onCancel={onClose}
        isNarrow
      >
        {children}
      </Form>
    </Dialog>
  );
}

interface SecretProps {
  title: string;
  secret: string;
  /** The name of the secret, as in “Copy the key”. */
  what: string;
  testId: string;
  doneTestId: string;
  onClose: () => void;
  /** What to know before the secret is gone. */
  children: ComponentChildren;
}

/** Shows a secret that nobody can show again. */
export function SecretShownOnce({ title, secret, what, testId, doneTestId, onClose, children }: SecretProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{children}</p>
      <div class="secret">
        <code data-testid={testId}>{secret}</code>
        <CopyButton text={secret} what={what} />
      </div>
      <p class="muted">
        The <a href="/docs">guide</a> shows how it is used.
      </p>
      <div class="form-foot">
        <Button kind="primary" testId={doneTestId} onClick={onClose}>
          I have copied it
        </Button>
      </div>
    </Dialog>
  );
}
