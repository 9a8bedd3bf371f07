import { useState } from "preact/hooks";
import { announce } from "../state/announce";
import { Button } from "./button";

const SHOWN_MS = 2000;

/** Copies a text. Where the browser does not let it, the text can still be selected. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      announce(`Copied ${what}.`);
      setTimeout(() => setCopied(false), SHOWN_MS);
    } catch {
      announce(`Your browser does not allow copying. Select ${what} and copy it by hand.`);
    }
  };
  return (
    <Button label={`Copy ${what}`} onClick={() => void copy()}>
      {isCopied ? "Copied" : "Copy"}
    </Button>
  );
}

/** A piece of code that can be copied. */
export function Code({ text, what }: { text: string; what: string }) {
  return (
    <div class="code">
      <pre tabIndex={0} role="region" aria-label={what}>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} what={what} />
    </div>
  );
}
