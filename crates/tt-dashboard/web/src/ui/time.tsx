// Moments, in the viewer's zone, with UTC for those who point at them.

import { dateTime, shortDateTime, type Precision } from "../lib/format";
import { systemZone } from "../lib/time";

const zone = systemZone();

interface TimeProps {
  at: string | null;
  /** The words where there is no time. */
  none?: string;
  precision?: Precision;
}

export function Time({ at, none = "–", precision = "minute" }: TimeProps) {
  if (at === null) return <span class="muted">{none}</span>;
  const moment = new Date(at);
  return (
    <time dateTime={at} title={`${dateTime(moment, "UTC")} UTC`}>
      {shortDateTime(moment, zone, new Date(), precision)}
    </time>
  );
}

/** Names the zone of the times of a page. */
export function ZoneNote() {
  return <p class="muted small">Times are in {zone}. Point at one to see UTC.</p>;
}
