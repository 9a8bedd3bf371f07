// Tokens by the class in which they are billed. The classes add up to all tokens.

import { percentage } from "../../lib/format";
import { tokensOf, type Sums } from "../../lib/usage";
import { Card } from "../../ui/page";
import { ShareBar } from "../../ui/share-bar";
import { Table, type Column } from "../../ui/table";

interface TokenClass {
  title: string;
  tokens: number;
}

export function classesOf(sums: Sums): TokenClass[] {
  const cached = sums.cached_input_tokens + sums.cache_write_tokens;
  return [
    { title: "Input, not cached", tokens: sums.input_tokens - cached },
    { title: "Input read from a cache", tokens: sums.cached_input_tokens },
    { title: "Input written to a cache", tokens: sums.cache_write_tokens },
    { title: "Output, without reasoning", tokens: sums.output_tokens - sums.reasoning_tokens },
    { title: "Reasoning", tokens: sums.reasoning_tokens },
  ];
}

export function TokenClasses({ sums }: { sums: Sums }) {
  const all = tokensOf(sums);
  const partOf = (row: TokenClass) => (all === 0 ? 0 : row.tokens / all);
  const columns: Column<TokenClass>[] = [
    { kind: "text", title: "Class", value: (row) => row.title, total: "All tokens" },
    {
      kind: "text",
      title: "Share",
      value: (row) => percentage(partOf(row)),
      cell: (row) => <ShareBar part={partOf(row)} />,
    },
    { kind: "number", title: "Tokens", value: (row) => row.tokens, total: all },
  ];
  return (
    <Card title="Tokens by class" note="the cost of each class is on the page of a request" testId="token-classes">
      <Table
        caption="Tokens by class"
        columns={columns}
        rows={classesOf(sums)}
        rowKey={(row) => row.title}
        file="tokens-by-class"
      />
    </Card>
  );
}
