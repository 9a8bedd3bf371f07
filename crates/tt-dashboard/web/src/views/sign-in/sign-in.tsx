// Signing in, and signing up, which signs in as well.

import { useEffect, useState } from "preact/hooks";
import { auth } from "../../api/calls";
import { endedBecause, sessionBegun } from "../../state/session";
import { useSubmit } from "../../state/submit";
import { Button } from "../../ui/button";
import { TextField } from "../../ui/field";
import { Notice, ProblemNotice } from "../../ui/notice";
import { Choices } from "../../ui/tabs";
import { ThemeButton } from "../../ui/theme-button";

type Mode = "login" | "signup";

export function SignIn() {
  const [mode, setMode] = useState<Mode>("login");
  const isNew = mode === "signup";
  useEffect(() => {
    document.title = "Sign in · TokenTracer";
  }, []);
  return (
    <main class="sign-in">
      <a class="brand" href="/">
        <img src="/favicon.svg" alt="" />
        TokenTracer
      </a>
      <section class="card" aria-labelledby="sign-in-title">
        <h1 id="sign-in-title">{isNew ? "Create an account" : "Sign in"}</h1>
        <Choices<Mode>
          label="Sign in or sign up"
          chosen={mode}
          onChoose={setMode}
          choices={[
            { name: "login", title: "Sign in", testId: "tab-login" },
            { name: "signup", title: "Sign up", testId: "tab-signup" },
          ]}
        />
        {endedBecause.value !== null && <Notice kind="info">{endedBecause.value}</Notice>}
        <CredentialsForm key={mode} mode={mode} />
      </section>
      <p class="muted small">
        <a href="/docs">Integration guide</a> · the token stays in this tab and ends after 24 hours
      </p>
      <ThemeButton />
    </main>
  );
}

function CredentialsForm({ mode }: { mode: Mode }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const isNew = mode === "signup";
  const submission = useSubmit(async () => {
    const credentials = { email, password };
    if (isNew) await auth.signUp(credentials);
    const session = await auth.signIn(credentials);
    sessionBegun(session.token);
  });
  return (
    <form class="stack" onSubmit={submission.onSubmit}>
      {submission.problem !== null && (
        <ProblemNotice
          what={isNew ? "You are not signed up." : "You are not signed in."}
          problem={submission.problem}
        />
      )}
      <TextField
        label="Email"
        type="email"
        testId="email"
        autoComplete="username"
        required
        value={email}
        onValue={setEmail}
      />
      <TextField
        label="Password"
        type="password"
        testId="password"
        autoComplete={isNew ? "new-password" : "current-password"}
        required
        value={password}
        onValue={setPassword}
        hint={isNew ? "At least 8 characters, and not one of the most common passwords." : undefined}
      />
      <Button kind="primary" type="submit" isBusy={submission.isBusy} testId={isNew ? "signup-submit" : "login-submit"}>
        {isNew ? "Sign up" : "Sign in"}
      </Button>
    </form>
  );
}
