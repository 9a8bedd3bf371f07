import type { ComponentChildren } from "preact";

export type ButtonKind = "primary" | "plain" | "danger" | "quiet";

export interface ButtonProps {
  children: ComponentChildren;
  kind?: ButtonKind;
  type?: "button" | "submit";
  isBusy?: boolean;
  disabled?: boolean;
  label?: string | undefined;
  testId?: string | undefined;
  onClick?: () => void;
}

/** A button. While it is busy it stays in the order of the keyboard, and does nothing. */
export function Button(props: ButtonProps) {
  const { children, kind = "plain", type = "button", isBusy = false, disabled = false } = props;
  return (
    <button
      class={`button ${kind}`}
      type={type}
      disabled={disabled}
      aria-disabled={isBusy}
      aria-busy={isBusy}
      aria-label={props.label}
      data-testid={props.testId}
      onClick={isBusy ? undefined : props.onClick}
    >
      {children}
    </button>
  );
}
