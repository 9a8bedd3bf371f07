// The session of the signed-in user. The token is in memory and in the tab's session storage, and nowhere else.

import { signal } from "@preact/signals";
import type { Me } from "../api/types";

const STORED = "tokentracer.session";

/** The session token; null where nobody is signed in. */
export const token = signal<string | null>(null);

/** The signed-in user, once they are known. */
export const me = signal<Me | null>(null);

/** Why the sign-in page is shown, where the user did not ask for it. */
export const endedBecause = signal<string | null>(null);

/** Takes up the session of this tab, where there is one. */
export function start(): void {
  token.value = sessionStorage.getItem(STORED);
}

export function sessionBegun(newToken: string): void {
  sessionStorage.setItem(STORED, newToken);
  endedBecause.value = null;
  token.value = newToken;
}

/** Forgets the session that the server does not know any more. */
export function sessionEnded(): void {
  forget();
  endedBecause.value = "Your session has ended. Sign in again to go on.";
}

export function signedOut(): void {
  forget();
  endedBecause.value = null;
}

function forget(): void {
  sessionStorage.removeItem(STORED);
  token.value = null;
  me.value = null;
}
