import type { Exact } from "../../api/exact";
import type { ApiKey, KeyBudget } from "../../api/types";
import type { Nano } from "../../lib/money";
import { keyName } from "../../lib/names";
import { Badge } from "../../ui/badge";
import { Empty } from "../../ui/page";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { lasts } from "./lasts";

type Row = Exact<KeyBudget>;

interface KeyBudgetsProps {
  budgets: readonly Row[];
  keys: readonly Exact<ApiKey>[];
  /** The spending of the last days, a day, by the id of the API key. */
  perDay: ReadonlyMap<string, Nano>;
}

/** The budgets of API keys: what of each is spent, held and left, and how long it lasts. */
export function KeyBudgets({ budgets, keys, perDay }: KeyBudgetsProps) {
  if (budgets.length === 0) {
    return (
      <Empty title="No API key has a budget of its own.">
        One can be given to a key when it is made, under <a href="/dashboard/keys">API keys</a>.
      </Empty>
    );
  }
  const now = new Date();
  const rate = (row: Row) => perDay.get(String(row.api_key_id)) ?? 0n;
  return (
    <Table
      caption="Budgets of API keys"
      rows={budgets}
      rowKey={(row) => row.api_key_id}
      rowTestId="key-budget-row"
      file="key-budgets"
      columns={[
        {
          kind: "text",
          title: "API key",
          value: (row) => keyName(String(row.api_key_id), keys),
          cell: (row) => (
            <>
              {keyName(String(row.api_key_id), keys)} {row.soft === true && <Badge>soft</Badge>}
            </>
          ),
        },
        { kind: "text", title: "For each UTC", value: (row) => row.period },
        { kind: "money", title: "Limit", value: (row) => row.limit_usd },
        { kind: "money", title: "Spent", value: (row) => row.spent_usd },
        { kind: "money", title: "Held", value: (row) => row.held_usd },
        { kind: "money", title: "Left", value: leftOf },
        {
          kind: "time",
          title: "Begins anew",
          value: (row) => row.resets_at,
          cell: (row) => <Time at={row.resets_at} none="never" />,
        },
        {
          kind: "text",
          title: "At the rate of 7 days",
          value: (row) => {
            const left = leftOf(row);
            return left === null ? null : lasts(left, rate(row), row.resets_at, now);
          },
        },
      ]}
    />
  );
}

/** What is left; null where it is not known. */
function leftOf({ limit_usd: limit, spent_usd: spent, held_usd: held }: Row): Nano | null {
  if (limit === null || spent === null || held === null) return null;
  const left = limit - spent - held;
  return left > 0n ? left : 0n;
}
