// The caller's keys of providers: added, labelled, tested, replaced, deleted. The keys themselves are never shown.

import { useState } from "preact/hooks";
import { providerKeys } from "../../api/calls";
import type { ProviderKey } from "../../api/types";
import { useResource } from "../../state/resource";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { AddProviderKey } from "./add";
import { DeleteProviderKey } from "./delete";
import { EditProviderKey } from "./edit";
import { ProviderKeyTable } from "./key-table";

type Opened = { action: "edit" | "delete"; key: ProviderKey } | null;

export function Providers() {
  const resource = useResource("", providerKeys.list);
  const [opened, setOpened] = useState<Opened>(null);
  const close = () => setOpened(null);
  const changed = () => {
    close();
    resource.reload();
  };
  return (
    <Page
      title="Provider keys"
      lead="The accounts that requests are billed to. Keys are stored encrypted and never shown again."
    >
      <Card title="Add a key">
        <AddProviderKey onAdded={resource.reload} />
      </Card>
      <Card title="Stored keys">
        <Loaded resource={resource} what="the provider keys">
          {(keys) =>
            keys.length === 0 ? (
              <Empty title="No key is stored yet.">
                Add one above; then name a model of it by an <a href="/dashboard/aliases">alias</a>.
              </Empty>
            ) : (
              <ProviderKeyTable keys={keys} onOpen={(action, key) => setOpened({ action, key })} />
            )
          }
        </Loaded>
      </Card>
      {opened?.action === "edit" && <EditProviderKey stored={opened.key} onChanged={changed} onClose={close} />}
      {opened?.action === "delete" && <DeleteProviderKey stored={opened.key} onDeleted={changed} onClose={close} />}
    </Page>
  );
}
