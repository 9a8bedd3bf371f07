// What the totals leave out or only estimate. It stands beside them and is never added to them.

import { count, plural } from "../../lib/format";
import { Badge } from "../../ui/badge";
import { SAMPLE, type OverviewData } from "./data";

/** The most rows of each kind that the API lists. */
const MOST_GAPS = 500;

export function Beside({ data }: { data: OverviewData }) {
  const { gaps, filters } = data;
  const { rows, isComplete } = data.now.sample;
  const estimated = rows.filter((row) => row.usage_source === "estimated" || row.usage_source === "partial").length;
  const parts = [
    { rows: gaps.unpriced.length, text: "without a price" },
    { rows: gaps.unknown_usage.length, text: "of unknown usage" },
    { rows: gaps.interrupted.length, text: "interrupted" },
    { rows: gaps.open, text: "still open" },
  ].filter((part) => part.rows > 0);
  const isInexact = [...filters.keys()].some(
    (name) => !["alias", "model", "provider", "api_key", "status"].includes(name),
  );
  return (
    <div class="beside" data-testid="beside">
      {parts.length === 0 ? (
        <Badge kind="good">Nothing is left out of these totals</Badge>
      ) : (
        <>
          <span>Not in these costs:</span>
          {parts.map(({ rows: number, text }) => (
            <Badge key={text} kind="warning">
              {number >= MOST_GAPS ? `${count(number)} or more` : plural(number, "request")} {text}
            </Badge>
          ))}
          <a href="/dashboard/gaps">See the gaps</a>
          {isInexact && <span>(in the whole range: gaps are not known by these filters)</span>}
        </>
      )}
      {estimated > 0 && (
        <Badge>
          {count(estimated)} of {isComplete ? "all" : `the newest ${count(SAMPLE)}`} requests with estimated tokens
        </Badge>
      )}
    </div>
  );
}
