// Tokens and costs by the class in which they are billed. The classes add up to all tokens, and to the whole cost.

import { count, percentage } from "../../lib/format";
import { share, type Nano } from "../../lib/money";
import { tokensOf, type Sums } from "../../lib/usage";
import { Card } from "../../ui/page";
import { ShareBar } from "../../ui/share-bar";
import { Table, type Column } from "../../ui/table";

interface BilledClass {
  title: string;
  /** Null for what is not counted in tokens. */
  tokens: number | null;
  cost: Nano | null;
}

export function classesOf(sums: Sums): BilledClass[] {
  const cached = sums.cached_input_tokens + sums.cache_write_tokens;
  const costs = sums.cost_by_class;
  const classes: BilledClass[] = [
    { title: "Input, not cached", tokens: sums.input_tokens - cached, cost: costs?.input ?? null },
    { title: "Input read from a cache", tokens: sums.cached_input_tokens, cost: costs?.cached_input ?? null },
    { title: "Input written to a cache", tokens: sums.cache_write_tokens, cost: costs?.cache_write ?? null },
    { title: "Output, with reasoning", tokens: sums.output_tokens, cost: costs?.output ?? null },
  ];
  if (costs !== null && costs.fees !== 0n) {
    classes.push({ title: "Fees beside tokens, as searches", tokens: null, cost: costs.fees });
  }
  if (costs !== null && costs.unclassified !== 0n) {
    classes.push({ title: "Recorded before classes were kept", tokens: null, cost: costs.unclassified });
  }
  return classes;
}

export function TokenClasses({ sums }: { sums: Sums }) {
  const whole = sums.cost_usd ?? 0n;
  const columns: Column<BilledClass>[] = [
    { kind: "text", title: "Class", value: (row) => row.title, total: "All" },
    { kind: "money", title: "Cost", value: (row) => row.cost, total: sums.cost_usd },
    {
      kind: "text",
      title: "Share of cost",
      value: (row) => (row.cost === null ? null : percentage(share(row.cost, whole))),
      cell: (row) => <ShareBar part={row.cost === null ? null : share(row.cost, whole)} />,
    },
    { kind: "number", title: "Tokens", value: (row) => row.tokens, total: tokensOf(sums) },
  ];
  return (
    <Card
      title="Cost by token class"
      note={`${count(sums.reasoning_tokens)} tokens of the output are reasoning`}
      testId="token-classes"
    >
      <Table
        caption="Cost by token class"
        columns={columns}
        rows={classesOf(sums)}
        rowKey={(row) => row.title}
        file="cost-by-class"
      />
    </Card>
  );
}
