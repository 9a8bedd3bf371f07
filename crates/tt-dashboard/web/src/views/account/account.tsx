// The user's own account: the password, and where they are signed in.

import { useState } from "preact/hooks";
import { auth } from "../../api/calls";
import type { SessionInfo } from "../../api/types";
import { announce } from "../../state/announce";
import { useResource } from "../../state/resource";
import { me } from "../../state/session";
import { useSubmit } from "../../state/submit";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Confirm } from "../../ui/dialog";
import { TextField } from "../../ui/field";
import { Form } from "../../ui/form";
import { Loaded } from "../../ui/loaded";
import { Card, Page } from "../../ui/page";
import { Table } from "../../ui/table";

export function Account() {
  const sessions = useResource("", auth.sessions);
  return (
    <Page title="Account" lead={me.value?.email}>
      <Card title="Change the password">
        <PasswordForm onChanged={sessions.reload} />
      </Card>
      <Card title="Where you are signed in">
        <Loaded resource={sessions} what="the sessions">
          {(list) => <SessionTable sessions={list} onEnded={sessions.reload} />}
        </Loaded>
      </Card>
    </Page>
  );
}

function PasswordForm({ onChanged }: { onChanged: () => void }) {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const submission = useSubmit(async () => {
    await auth.changePassword({ current_password: current, new_password: next });
    setCurrent("");
    setNext("");
    announce("The password is changed. Your other sessions have ended.");
    onChanged();
  });
  return (
    <Form submission={submission} failure="The password is not changed." action="Change the password">
      <TextField
        label="Current password"
        type="password"
        autoComplete="current-password"
        required
        value={current}
        error={submission.errorOf("current_password")}
        onValue={setCurrent}
      />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        required
        value={next}
        hint="All your other sessions end."
        error={submission.errorOf("new_password")}
        onValue={setNext}
      />
    </Form>
  );
}

function SessionTable({ sessions, onEnded }: { sessions: readonly SessionInfo[]; onEnded: () => void }) {
  const [ended, setEnded] = useState<SessionInfo | null>(null);
  return (
    <>
      <Table
        caption="Sessions"
        rows={sessions}
        rowKey={(session) => session.id}
        columns={[
          { kind: "time", title: "Signed in", value: (session) => session.created_at },
          { kind: "time", title: "Last used", value: (session) => session.last_used_at },
          { kind: "time", title: "Ends", value: (session) => session.expires_at },
          {
            kind: "text",
            title: "This one",
            value: (session) => (session.current ? "yes" : null),
            cell: (session) => session.current && <Badge kind="good">this tab</Badge>,
          },
        ]}
        actions={(session) =>
          !session.current && (
            <Button kind="quiet" label={`End the session of ${session.created_at}`} onClick={() => setEnded(session)}>
              End
            </Button>
          )
        }
      />
      {ended !== null && (
        <Confirm
          title="End this session?"
          action="End the session"
          failure="The session is not ended."
          onClose={() => setEnded(null)}
          onConfirm={async () => {
            await auth.endSession(ended.id);
            announce("The session is ended.");
            onEnded();
          }}
        >
          <p>Whoever uses it must sign in again.</p>
        </Confirm>
      )}
    </>
  );
}
