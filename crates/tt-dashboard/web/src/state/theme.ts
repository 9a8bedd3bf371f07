// Light or dark: as the system says, until the visitor chooses.

import { signal } from "@preact/signals";

export type Theme = "light" | "dark";

const STORED = "tokentracer.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(chosen() ?? systemTheme());

export function start(): void {
  apply();
  system.addEventListener("change", () => {
    if (chosen() === null) set(systemTheme());
  });
}

export function switchTheme(): void {
  const next = theme.peek() === "dark" ? "light" : "dark";
  localStorage.setItem(STORED, next);
  set(next);
}

function set(next: Theme): void {
  theme.value = next;
  apply();
}

function apply(): void {
  document.documentElement.dataset.theme = theme.peek();
}

function chosen(): Theme | null {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : null;
}

function systemTheme(): Theme {
  return system.matches ? "dark" : "light";
}
