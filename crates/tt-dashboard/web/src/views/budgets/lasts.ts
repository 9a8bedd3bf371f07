import { plural } from "../../lib/format";
import type { Nano } from "../../lib/money";

const DAY_MS = 86_400_000;
/** Longer times are not told in days. */
const LONG_DAYS = 3650n;

/** How long the rest of a budget lasts at so much a day, in words. */
export function lasts(left: Nano, perDay: Nano, resetsAt: string | null, now: Date): string {
  if (left <= 0n) return "it is used up";
  if (perDay <= 0n) return "it lasts: nothing was spent";
  const days = left / perDay;
  if (resetsAt !== null && Number(days) * DAY_MS >= Date.parse(resetsAt) - now.getTime()) {
    return "it lasts until it begins anew";
  }
  if (days >= LONG_DAYS) return "it lasts for more than ten years";
  return days === 0n ? "it is used up within a day" : `it lasts for ${plural(Number(days), "day")}`;
}
