import type { Period } from "../api/types";

/** The periods of budgets. Days and months are those of UTC. */
export const PERIODS: readonly { value: Period; text: string }[] = [
  { value: "day", text: "day" },
  { value: "month", text: "month" },
  { value: "total", text: "total, for ever" },
];
