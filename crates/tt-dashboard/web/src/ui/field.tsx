// Labelled fields of forms. A field's error is tied to it, and is read out.

import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface Shared {
  label: string;
  value: string;
  onValue: (value: string) => void;
  hint?: ComponentChildren;
  error?: string | undefined;
  required?: boolean;
  testId?: string | undefined;
  /** True where the label is for screen readers only. */
  hideLabel?: boolean;
}

export interface TextFieldProps extends Shared {
  type?: "text" | "email" | "password" | "number" | "search" | "date" | "datetime-local";
  placeholder?: string;
  autoComplete?: string;
  /** Texts to choose from; others may be written too. */
  suggestions?: readonly string[];
  min?: number | string;
  max?: number | string;
  maxLength?: number;
  inputMode?: "decimal" | "numeric";
}

export function TextField(props: TextFieldProps) {
  const { suggestions, type = "text" } = props;
  return (
    <Field {...props}>
      {(control) => {
        const attributes = {
          ...control,
          // The types of the library do not take a union of types.
          type: type as "text",
          value: props.value,
          placeholder: props.placeholder,
          autocomplete: props.autoComplete ?? "off",
          min: props.min,
          max: props.max,
          maxLength: props.maxLength,
          inputMode: props.inputMode,
          spellcheck: false,
          onInput: (event: { currentTarget: HTMLInputElement }) => props.onValue(event.currentTarget.value),
        };
        if (suggestions === undefined) return <input {...attributes} />;
        return (
          <>
            <input list={`${control.id}-list`} {...attributes} />
            <datalist id={`${control.id}-list`}>
              {suggestions.map((suggestion) => (
                <option key={suggestion} value={suggestion} />
              ))}
            </datalist>
          </>
        );
      }}
    </Field>
  );
}

export function TextArea(props: Shared & { rows?: number; placeholder?: string }) {
  return (
    <Field {...props}>
      {(control) => (
        <textarea
          {...control}
          rows={props.rows ?? 4}
          value={props.value}
          placeholder={props.placeholder}
          onInput={(event) => props.onValue(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

export interface Option {
  value: string;
  text: string;
}

export function SelectField(props: Shared & { options: readonly Option[] }) {
  return (
    <Field {...props}>
      {(control) => (
        <select {...control} value={props.value} onChange={(event) => props.onValue(event.currentTarget.value)}>
          {props.options.map(({ value, text }) => (
            <option key={value} value={value} selected={value === props.value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

export interface CheckFieldProps {
  label: ComponentChildren;
  checked: boolean;
  onChecked: (checked: boolean) => void;
  testId?: string;
}

export function CheckField({ label, checked, onChecked, testId }: CheckFieldProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        data-testid={testId}
        onChange={(event) => onChecked(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

interface Control {
  id: string;
  required: boolean;
  "aria-describedby": string | undefined;
  "aria-invalid": true | undefined;
  "data-testid": string | undefined;
}

function Field(props: Shared & { children: (control: Control) => ComponentChildren }) {
  const id = useId();
  const { hint, error, required = false } = props;
  const described = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean);
  const control: Control = {
    id,
    required,
    "aria-describedby": described.length > 0 ? described.join(" ") : undefined,
    "aria-invalid": error === undefined ? undefined : true,
    "data-testid": props.testId,
  };
  return (
    <div class="field">
      <label for={id} class={props.hideLabel ? "only-read" : undefined}>
        {props.label}
      </label>
      {props.children(control)}
      {hint !== undefined && (
        <p id={`${id}-hint`} class="hint">
          {hint}
        </p>
      )}
      {error !== undefined && (
        <p id={`${id}-error`} class="field-error" role="alert">
          {error}
        </p>
      )}
    </div>
  );
}
