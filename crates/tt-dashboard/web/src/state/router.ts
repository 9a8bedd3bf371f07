// The address of the page: its path, and its query, which holds ranges and filters. Links are plain `<a>` elements.

import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export const place = signal<Place>(current());

/** True once the visitor has gone from the first page to another. */
export let hasNavigated = false;

/** Goes to an address of this page. */
export function navigate(href: string): void {
  history.pushState(null, "", href);
  hasNavigated = true;
  place.value = current();
  scrollTo(0, 0);
}

/** Changes parameters of the query, without a new entry in the history. Those set to null go. */
export function setQuery(changes: Record<string, string | null>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, "", withQuery(location.pathname, query));
  place.value = current();
}

/** The path with the query, where there is one. */
export function withQuery(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Follows links of this page without loading it again. */
export function start(): void {
  addEventListener("popstate", () => {
    hasNavigated = true;
    place.value = current();
  });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link?.target !== "" || link.hasAttribute("download")) return;
    if (link.origin !== location.origin || !isOurs(link.pathname)) return;
    if (link.pathname === location.pathname && link.hash !== "") return;
    event.preventDefault();
    navigate(link.pathname + link.search + link.hash);
  });
}

function isOurs(path: string): boolean {
  return path === "/" || path === "/docs" || path === "/dashboard" || path.startsWith("/dashboard/");
}

function current(): Place {
  return { path: location.pathname.replace(/(?<=.)\/$/, ""), query: new URLSearchParams(location.search) };
}
