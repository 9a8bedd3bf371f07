import { dayOf, plusDays, systemZone } from "../../lib/time";

/** The days before and after a request that its session is shown of. */
const AROUND = 6;

/** The address of the page of a request. */
export function requestHref(id: string): string {
  return `/dashboard/requests/${encodeURIComponent(id)}`;
}

/** The address of the page of a session, with the days around a moment of it. */
export function sessionHref(session: string, at: string): string {
  const day = dayOf(new Date(at), systemZone());
  return `/dashboard/sessions/${encodeURIComponent(session)}?from=${plusDays(day, -AROUND)}&to=${plusDays(day, AROUND)}`;
}
