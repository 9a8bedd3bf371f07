// What has just happened, for screen readers and, for some seconds, on the screen.

import { signal } from "@preact/signals";

const SHOWN_MS = 6000;

export const announcement = signal("");

let hide: ReturnType<typeof setTimeout> | undefined;

export function announce(text: string): void {
  clearTimeout(hide);
  announcement.value = text;
  hide = setTimeout(() => (announcement.value = ""), SHOWN_MS);
}
