// The frame of every page of the dashboard: navigation, the signed-in user, and the way to sign out.

import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { auth } from "../api/calls";
import { announce } from "../state/announce";
import { navigate, place } from "../state/router";
import { me, signedOut } from "../state/session";
import { Button } from "../ui/button";
import { ThemeButton } from "../ui/theme-button";
import { VIEWS, type View } from "./table";

const GROUPS = ["Usage", "Set-up", "Control", "Administration"] as const;

export function Shell({ current, children }: { current: View; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => setOpen(false), [place.value.path]);
  useEffect(() => {
    if (me.peek() === null)
      auth.me().then(
        (user) => (me.value = user),
        () => undefined,
      );
  }, []);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <div class="shell">
        <div class={isOpen ? "side open" : "side"}>
          <a class="brand" href="/dashboard">
            <img src="/favicon.svg" alt="" />
            TokenTracer
          </a>
          <button
            type="button"
            class="button nav-toggle"
            aria-expanded={isOpen}
            aria-controls="nav"
            data-testid="nav-toggle"
            onClick={() => setOpen(!isOpen)}
          >
            Menu
          </button>
          <Navigation current={current} />
          <SignedInUser />
        </div>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
    </>
  );
}

function Navigation({ current }: { current: View }) {
  const isAdmin = me.value?.role === "admin";
  const shown = VIEWS.filter((view) => view.isForAdmins !== true || isAdmin);
  return (
    <nav id="nav" class="nav" aria-label="Dashboard">
      {GROUPS.map((group) => {
        const views = shown.filter((view) => view.group === group);
        if (views.length === 0) return null;
        return (
          <div key={group}>
            <p class="nav-title" id={`nav-${group}`}>
              {group}
            </p>
            <ul aria-labelledby={`nav-${group}`}>
              {views.map((view) => (
                <li key={view.path}>
                  <a href={view.path} data-testid={view.testId} aria-current={view === current ? "page" : undefined}>
                    {view.title}
                  </a>
                </li>
              ))}
            </ul>
          </div>
        );
      })}
    </nav>
  );
}

function SignedInUser() {
  const signOut = async () => {
    // The session is forgotten here in any case; the server ends it by itself after a day.
    await auth.signOut().catch(() => undefined);
    signedOut();
    navigate("/dashboard");
    announce("You are signed out.");
  };
  return (
    <div class="side-foot">
      <a href="/docs">Integration guide</a>
      <a class="who" href="/dashboard/account" title="Account">
        {me.value?.email ?? "Account"}
      </a>
      <div class="row">
        <Button testId="sign-out" onClick={() => void signOut()}>
          Sign out
        </Button>
        <ThemeButton />
      </div>
    </div>
  );
}
