/** The address of the page of a request. */
export function requestHref(id: string): string {
  return `/dashboard/requests/${encodeURIComponent(id)}`;
}
