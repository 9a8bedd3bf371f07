import type { Exact } from "../../api/exact";
import type { ApiKey } from "../../api/types";
import { count } from "../../lib/format";
import { approximate } from "../../lib/money";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";

type Key = Exact<ApiKey>;

interface KeyTableProps {
  keys: readonly Key[];
  onOpen: (action: "rotate" | "revoke", key: Key) => void;
}

export function KeyTable({ keys, onOpen }: KeyTableProps) {
  const name = (key: Key) => key.name ?? key.prefix;
  return (
    <Table
      caption="API keys"
      rows={[...keys].sort((a, b) => Number(isOver(a)) - Number(isOver(b)) || b.id - a.id)}
      rowKey={(key) => key.id}
      rowTestId="key-row"
      columns={[
        {
          kind: "text",
          title: "Name",
          value: (key) => key.name,
          cell: (key) => (
            <>
              {key.name ?? <span class="muted">no name</span>}
              <br />
              <code class="muted">{key.prefix}…</code>
            </>
          ),
        },
        { kind: "text", title: "May", value: mayText },
        { kind: "text", title: "Limits", value: limitText },
        {
          kind: "time",
          title: "Made",
          value: (key) => key.created_at,
          cell: (key) => <Time at={key.created_at} precision="day" />,
        },
        {
          kind: "time",
          title: "Last used",
          value: (key) => key.last_used_at,
          cell: (key) => <Time at={key.last_used_at} none="never" />,
        },
        { kind: "time", title: "Ends", value: (key) => key.expires_at, cell: (key) => <End of={key} /> },
      ]}
      actions={(key) =>
        !isOver(key) && (
          <>
            <Button
              kind="quiet"
              label={`Rotate ${name(key)}`}
              testId="key-rotate"
              onClick={() => onOpen("rotate", key)}
            >
              Rotate
            </Button>
            <Button
              kind="quiet"
              label={`Revoke ${name(key)}`}
              testId="key-revoke"
              onClick={() => onOpen("revoke", key)}
            >
              Revoke
            </Button>
          </>
        )
      }
    />
  );
}

function isOver(key: Key): boolean {
  return key.revoked_at !== null || (key.expires_at !== null && Date.parse(key.expires_at) <= Date.now());
}

function End({ of: key }: { of: Key }) {
  if (key.revoked_at !== null) return <Badge kind="bad">revoked</Badge>;
  if (isOver(key)) return <Badge kind="warning">ended</Badge>;
  return <Time at={key.expires_at} none="never" precision="day" />;
}

function mayText(key: Key): string {
  const scopes = key.scopes.join(", ");
  return key.allowed_aliases === null ? scopes : `${scopes}: ${key.allowed_aliases.join(", ")}`;
}

function limitText(key: Key): string | null {
  const parts = [
    key.rate_limit_minute > 0 && `${count(key.rate_limit_minute)} a minute`,
    key.rate_limit_daily > 0 && `${count(key.rate_limit_daily)} a day`,
    key.budget_usd !== null && `${approximate(key.budget_usd)} ${key.budget_period ?? ""}${key.budget_soft ? ", soft" : ""}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? null : parts.join(", ");
}
