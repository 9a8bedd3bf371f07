import type { Alias, ProviderKey } from "../../api/types";
import { count } from "../../lib/format";
import { providerKeyName } from "../../lib/providers";
import { Button } from "../../ui/button";
import { Chain } from "../../ui/chain";
import { Table } from "../../ui/table";
import { chainOf } from "./chain-of";

interface AliasTableProps {
  all: readonly Alias[];
  keys: readonly ProviderKey[];
  onOpen: (action: "edit" | "delete", alias: Alias) => void;
}

export function AliasTable({ all, keys, onOpen }: AliasTableProps) {
  const keyName = (alias: Alias) => {
    const key = keys.find(({ id }) => id === alias.provider_key_id);
    return key === undefined ? alias.provider : providerKeyName(key);
  };
  return (
    <Table
      caption="Aliases"
      rows={all}
      rowKey={(alias) => alias.id}
      rowTestId="alias-row"
      columns={[
        {
          kind: "text",
          title: "Alias",
          value: (alias) => alias.alias,
          cell: (alias) => <strong>{alias.alias}</strong>,
        },
        {
          kind: "text",
          title: "Targets, in the order they are tried",
          value: (alias) => alias.target_model,
          cell: (alias) => (
            <Chain steps={chainOf(alias, all).map((step) => ({ alias: step.alias, model: step.target_model }))} />
          ),
        },
        { kind: "text", title: "Provider key", value: keyName },
        { kind: "text", title: "Small requests", value: lightText },
      ]}
      actions={(alias) => (
        <>
          <Button kind="quiet" label={`Edit ${alias.alias}`} testId="alias-edit" onClick={() => onOpen("edit", alias)}>
            Edit
          </Button>
          <Button
            kind="quiet"
            label={`Delete ${alias.alias}`}
            testId="alias-delete"
            onClick={() => onOpen("delete", alias)}
          >
            Delete
          </Button>
        </>
      )}
    />
  );
}

function lightText(alias: Alias): string | null {
  if (!alias.use_light_model || alias.light_model === null) return null;
  return `${alias.light_model} under ${count(alias.light_model_threshold)} tokens`;
}
