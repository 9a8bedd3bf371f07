import { percentage } from "../lib/format";

/** A share of a whole, as a bar and as a number. */
export function ShareBar({ part }: { part: number }) {
  return (
    <span class="share">
      <span class="bar" aria-hidden="true">
        <span style={{ width: `${part * 100}%` }} />
      </span>
      {percentage(part)}
    </span>
  );
}
