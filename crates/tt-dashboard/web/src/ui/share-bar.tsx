import { percentage } from "../lib/format";

/** A share of a whole, as a bar and as a number; null where it is not known. */
export function ShareBar({ part }: { part: number | null }) {
  if (part === null) return <span class="muted">–</span>;
  return (
    <span class="share">
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${part * 100}%` }} />
      </span>
      {percentage(part)}
    </span>
  );
}
