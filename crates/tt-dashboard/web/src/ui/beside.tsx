// What a total leaves out or only estimates. It stands beside the total and is never added to it.

import type { ComponentChildren } from "preact";
import { count, plural } from "../lib/format";
import type { Sums } from "../lib/usage";
import { withQuery } from "../state/router";
import { Badge } from "./badge";

interface BesideProps {
  sums: Sums;
  /** The range and the filters of the total. */
  query: URLSearchParams;
  /** The requests that are not stored yet. */
  open?: number;
  children?: ComponentChildren;
}

export function Beside({ sums, query, open = 0, children }: BesideProps) {
  const { cost_incomplete: incomplete, unpriced } = sums;
  const gaps = [
    { rows: unpriced ?? incomplete, text: "without a known cost" },
    { rows: unpriced === null ? 0 : incomplete - unpriced, text: "with a cost that is known in part" },
    { rows: sums.unknown ?? 0, text: "of unknown usage" },
    { rows: sums.interrupted ?? 0, text: "interrupted" },
    { rows: open, text: "still open" },
  ].filter((gap) => gap.rows > 0);
  const counted = [
    { rows: sums.estimated ?? 0, text: "with estimated tokens" },
    { rows: sums.partial ?? 0, text: "with tokens of a part of a stream" },
  ].filter((part) => part.rows > 0);
  return (
    <div class="beside" data-testid="beside">
      {gaps.length === 0 && sums.estimated !== null && (
        <Badge kind="good">Nothing is left out of these totals</Badge>
      )}
      {gaps.length > 0 && (
        <>
          <span>Not in these totals, or not in full:</span>
          {gaps.map(({ rows, text }) => (
            <Badge key={text} kind="warning">
              {plural(rows, "request")} {text}
            </Badge>
          ))}
          <a href={withQuery("/dashboard/gaps", query)}>See the gaps</a>
        </>
      )}
      {counted.map(({ rows, text }) => (
        <Badge key={text}>
          {count(rows)} of {plural(sums.requests, "request")} {text}
        </Badge>
      ))}
      {sums.estimated === null && (
        <Badge title="An earlier version summed some of these requests, and did not count estimates, gaps and times.">
          Estimates, gaps and times are not known of all of this time
        </Badge>
      )}
      {children}
    </div>
  );
}
