// Aliases: made, edited, deleted, drawn with what they fall back to, and tried.

import { useState } from "preact/hooks";
import { aliases, providerKeys } from "../../api/calls";
import type { Alias, ProviderKey } from "../../api/types";
import { useResource } from "../../state/resource";
import { Dialog } from "../../ui/dialog";
import { Loaded } from "../../ui/loaded";
import { Notice } from "../../ui/notice";
import { Card, Empty, Page } from "../../ui/page";
import { AliasForm } from "./alias-form";
import { AliasTable } from "./alias-table";
import { DeleteAlias } from "./delete";
import { TryIt } from "./try-it";

interface Data {
  all: Alias[];
  keys: ProviderKey[];
}

async function load(signal: AbortSignal): Promise<Data> {
  const [all, keys] = await Promise.all([aliases.list(signal), providerKeys.list(signal)]);
  return { all, keys };
}

type Opened = { action: "edit" | "delete"; alias: Alias } | null;

export function Aliases() {
  const resource = useResource("", load);
  return (
    <Page
      title="Aliases"
      lead="Names of your own for models. Clients ask for an alias, and you decide here what answers."
    >
      <Loaded resource={resource} what="the aliases">
        {(data) => <Content data={data} onChanged={resource.reload} />}
      </Loaded>
    </Page>
  );
}

function Content({ data: { all, keys }, onChanged }: { data: Data; onChanged: () => void }) {
  const [opened, setOpened] = useState<Opened>(null);
  const close = () => setOpened(null);
  const changed = () => {
    close();
    onChanged();
  };
  return (
    <>
      <Card title="Add an alias">
        {keys.length === 0 && (
          <Notice kind="info">
            An alias needs a <a href="/dashboard/providers">provider key</a>: add one first.
          </Notice>
        )}
        <AliasForm all={all} keys={keys} onSaved={changed} />
      </Card>
      <Card title="Your aliases">
        {all.length === 0 ? (
          <Empty title="No alias is set up yet.">
            Add one above. Without an alias, a model is named as <code>openai/gpt-4o</code>.
          </Empty>
        ) : (
          <AliasTable all={all} keys={keys} onOpen={(action, alias) => setOpened({ action, alias })} />
        )}
      </Card>
      {all.length > 0 && <TryIt all={all} />}
      {opened?.action === "edit" && (
        <Dialog title={`Edit ${opened.alias.alias}`} onClose={close}>
          <AliasForm all={all} keys={keys} edited={opened.alias} onSaved={changed} onCancel={close} />
        </Dialog>
      )}
      {opened?.action === "delete" && <DeleteAlias alias={opened.alias} onDeleted={changed} onClose={close} />}
    </>
  );
}
