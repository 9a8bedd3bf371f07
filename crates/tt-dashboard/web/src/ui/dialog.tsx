// Dialogs: the browser's own, which keep the focus inside and close by Escape.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { useSubmit } from "../state/submit";
import { Button } from "./button";
import { ProblemNotice } from "./notice";

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
      <form onSubmit={submission.onSubmit}>
        {children}
        {submission.problem !== null && <ProblemNotice what={failure} problem={submission.problem} />}
        <div class="form-foot">
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind={props.isHarmless ? "primary" : "danger"}
            type="submit"
            isBusy={submission.isBusy}
            testId="confirm"
          >
            {action}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
