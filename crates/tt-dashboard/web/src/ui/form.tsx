import type { ComponentChildren } from "preact";
import type { Submission } from "../state/submit";
import { Button, type ButtonKind } from "./button";
import { ProblemNotice } from "./notice";

interface FormProps {
  submission: Submission;
  /** What has not happened, where the server refuses: “The key is not stored.” */
  failure: string;
  /** The words on the button that sends the form. */
  action: string;
  kind?: ButtonKind;
  testId?: string;
  onCancel?: (() => void) | undefined;
  /** True where the fields stand below each other, in one column. */
  isNarrow?: boolean;
  children: ComponentChildren;
}

/** A form: what went wrong, its fields, which keep what was typed, and its buttons. */
export function Form(props: FormProps) {
  const { submission, failure, action, kind = "primary", onCancel, isNarrow = false } = props;
  return (
    <form class={isNarrow ? "stack" : "form"} onSubmit={submission.onSubmit}>
      {submission.problem !== null && <ProblemNotice what={failure} problem={submission.problem} />}
      {props.children}
      <div class="form-foot">
        {onCancel !== undefined && <Button onClick={onCancel}>Cancel</Button>}
        <Button kind={kind} type="submit" isBusy={submission.isBusy} testId={props.testId}>
          {action}
        </Button>
      </div>
    </form>
  );
}
