// The frame of the pages that need no account.

import type { ComponentChildren } from "preact";
import { token } from "../state/session";
import { ThemeButton } from "../ui/theme-button";

export function Public({ children }: { children: ComponentChildren }) {
  return (
    <div class="public">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="public-head">
        <a class="brand" href="/">
          <img src="/favicon.svg" alt="" />
          TokenTracer
        </a>
        <nav aria-label="Pages">
          <a href="/docs">Guide</a>
          <a class="button primary" href="/dashboard" data-testid="to-dashboard">
            {token.value === null ? "Sign in" : "Dashboard"}
          </a>
          <ThemeButton />
        </nav>
      </header>
      <main id="main" tabIndex={-1} class="public-main">
        {children}
      </main>
    </div>
  );
}
