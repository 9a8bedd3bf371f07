import type { Exact } from "../../api/exact";
import type { LogDetail } from "../../api/types";
import { Card, Empty } from "../../ui/page";
import { Table } from "../../ui/table";

const WORDS: Record<string, string> = {
  provider: "The provider counted the tokens.",
  partial: "The stream ended early: the tokens are those counted until then.",
  estimated: "The provider sent no usage: the tokens were counted here.",
  unknown: "The request was sent and nothing came back, so that its usage is not known.",
  none: "Nothing was billed.",
};

/** Tokens by class times price, which add up to the cost. */
export function CostLines({ request }: { request: Exact<LogDetail> }) {
  const { cost_lines: lines } = request;
  const note = request.price_version === null ? undefined : `prices ${request.price_version}`;
  return (
    <Card title="Cost" note={note} testId="cost">
      <p class="muted">{WORDS[request.usage_source]}</p>
      {lines.length === 0 ? (
        <Empty title={request.cost_usd === null ? "The cost is not known." : "There is nothing to add up."}>
          {request.cost_usd === null
            ? "The model has no price, or the usage is not known."
            : "Nothing was billed, or prices have changed since."}
        </Empty>
      ) : (
        <Table
          caption="Cost by class of tokens"
          rows={lines}
          rowKey={(line) => `${line.class} ${line.usd_per_million}`}
          file="cost"
          columns={[
            {
              kind: "text",
              title: "Class",
              value: (line) => line.class.replaceAll("_", " "),
              total: "Cost",
            },
            { kind: "number", title: "Tokens or units", value: (line) => line.tokens },
            { kind: "money", title: "USD for a million", value: (line) => line.usd_per_million },
            { kind: "money", title: "USD", value: (line) => line.usd, total: request.cost_usd },
          ]}
        />
      )}
    </Card>
  );
}
