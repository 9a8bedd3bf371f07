// Budgets and limits: what is spent, held and left, and how long it lasts at the rate of the last days.

import { apiKeys, budgets } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { ApiKey, Budget, Budgets, Limit } from "../../api/types";
import { sum, type Nano } from "../../lib/money";
import { usageBy } from "../../lib/usage";
import { count } from "../../lib/format";
import { useResource } from "../../state/resource";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { BudgetForm } from "./budget-form";
import { KeyBudgets } from "./key-budgets";
import { Standing } from "./standing";

/** The days whose spending is the rate. */
const RATE_DAYS = 7;
const DAY_MS = 86_400_000;

interface Data {
  budgets: Exact<Budgets>;
  limits: Limit[];
  keys: Exact<ApiKey>[];
  /** The spending of the last days, a day: in all, and by the id of the API key. */
  perDay: Nano;
  perDayOfKeys: ReadonlyMap<string, Nano>;
}

async function load(signal: AbortSignal): Promise<Data> {
  const to = new Date();
  const span = { from: new Date(to.getTime() - RATE_DAYS * DAY_MS).toISOString(), to: to.toISOString() };
  const [own, standing, groups, keys] = await Promise.all([
    budgets.show(signal),
    apiKeys.standing(signal),
    usageBy(["api_key"], { span, zone: "UTC", filters: new Map() }, signal),
    apiKeys.list(signal),
  ]);
  const perDay = (spent: Nano | null) => (spent ?? 0n) / BigInt(RATE_DAYS);
  return {
    budgets: own,
    limits: standing.limits,
    keys,
    perDay: perDay(sum(groups.map((group) => group.sums.cost_usd))),
    perDayOfKeys: new Map(groups.map(({ key, sums }) => [key[0] ?? "", perDay(sums.cost_usd)])),
  };
}

export function BudgetsView() {
  const resource = useResource("", load);
  return (
    <Page
      title="Budgets and limits"
      lead="Spent and held money together never exceed a budget: a request that does not fit is refused."
    >
      <Loaded resource={resource} what="the budgets">
        {(data) => (
          <>
            <div class="columns">
              <Card title="Your budget" testId="own-budget">
                <BudgetOr budget={data.budgets} perDay={data.perDay} none="You have set no budget." />
                <BudgetForm budget={data.budgets} onSaved={resource.reload} />
              </Card>
              <Card title="The administrator's budget for you" testId="admin-budget">
                <BudgetOr budget={data.budgets.admin} perDay={data.perDay} none="An administrator has set none." />
              </Card>
            </div>
            <Card title="Limits of requests">
              <Limits limits={data.limits} />
            </Card>
            <Card title="Budgets of your API keys" testId="key-budgets">
              <KeyBudgets budgets={data.budgets.api_keys} keys={data.keys} perDay={data.perDayOfKeys} />
            </Card>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function BudgetOr({ budget, perDay, none }: { budget: Exact<Budget>; perDay: Nano; none: string }) {
  if (budget.limit_usd === null) return <Empty title={none} />;
  return <Standing budget={budget} limit={budget.limit_usd} perDay={perDay} />;
}

const RULES: Record<string, string> = { user_minute: "Yours, a minute", user_day: "Yours, a UTC day" };

function Limits({ limits }: { limits: readonly Limit[] }) {
  if (limits.length === 0) return <Empty title="No limit of requests is in force." />;
  return (
    <Table
      caption="Limits of requests"
      rows={limits}
      rowKey={(limit) => limit.rule}
      columns={[
        { kind: "text", title: "Rule", value: (limit) => RULES[limit.rule] ?? limit.rule.replaceAll("_", " ") },
        { kind: "number", title: "Limit", value: (limit) => limit.limit },
        {
          kind: "number",
          title: "Left",
          value: (limit) => limit.remaining,
          cell: (limit) => count(limit.remaining),
        },
        {
          kind: "time",
          title: "More from",
          value: (limit) => limit.resets_at,
          cell: (limit) => <Time at={limit.resets_at} />,
        },
      ]}
    />
  );
}
