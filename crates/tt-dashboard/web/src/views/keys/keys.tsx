// API keys: made, shown once, rotated, revoked.

import { useState } from "preact/hooks";
import { aliases, apiKeys } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { ApiKey, CreatedApiKey } from "../../api/types";
import { useResource } from "../../state/resource";
import { SecretShownOnce } from "../../ui/dialog";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { CreateKey } from "./create";
import { KeyTable } from "./key-table";
import { RevokeKey } from "./revoke";
import { RotateKey } from "./rotate";

type Key = Exact<ApiKey>;
type Opened = { action: "rotate" | "revoke"; key: Key } | { action: "show"; made: CreatedApiKey } | null;

export function Keys() {
  const resource = useResource("", apiKeys.list);
  const names = useResource("aliases", aliases.list);
  const [opened, setOpened] = useState<Opened>(null);
  const close = () => setOpened(null);
  const show = (made: CreatedApiKey) => {
    setOpened({ action: "show", made });
    resource.reload();
  };
  return (
    <Page title="API keys" lead="The credentials of programs. Each can have its own limits, budget and end.">
      <Card title="Make a key">
        <CreateKey aliases={(names.data ?? []).map(({ alias }) => alias)} onCreated={show} />
      </Card>
      <Card title="Your keys">
        <Loaded resource={resource} what="the API keys">
          {(keys) =>
            keys.length === 0 ? (
              <Empty title="No key is made yet.">
                Make one above, then set up a program as the <a href="/docs">guide</a> shows.
              </Empty>
            ) : (
              <KeyTable keys={keys} onOpen={(action, key) => setOpened({ action, key })} />
            )
          }
        </Loaded>
      </Card>
      {opened?.action === "show" && (
        <SecretShownOnce
          title="Copy your new API key"
          secret={opened.made.token}
          what="the key"
          testId="key-token"
          doneTestId="key-done"
          onClose={close}
        >
          This is the only time that the key is shown. Only its fingerprint is stored.
        </SecretShownOnce>
      )}
      {opened?.action === "rotate" && <RotateKey stored={opened.key} onRotated={show} onClose={close} />}
      {opened?.action === "revoke" && <RevokeKey stored={opened.key} onRevoked={resource.reload} onClose={close} />}
    </Page>
  );
}
