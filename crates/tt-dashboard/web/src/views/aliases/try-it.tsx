// Asks where a request would go, and why, without sending it.

import { useState } from "preact/hooks";
import { aliases } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { Alias, RouteDecision } from "../../api/types";
import { count } from "../../lib/format";
import { useSubmit } from "../../state/submit";
import { Chain } from "../../ui/chain";
import { TextArea, TextField } from "../../ui/field";
import { Form } from "../../ui/form";
import { Amount } from "../../ui/money";
import { Card } from "../../ui/page";
import { Table } from "../../ui/table";

export function TryIt({ all }: { all: readonly Alias[] }) {
  const [model, setModel] = useState(all[0]?.alias ?? "");
  const [prompt, setPrompt] = useState("Hello!");
  const [maxTokens, setMaxTokens] = useState("");
  const [decision, setDecision] = useState<Exact<RouteDecision> | null>(null);
  const submission = useSubmit(async () => {
    setDecision(null);
    const cap = maxTokens.trim() === "" ? {} : { max_tokens: Number(maxTokens) };
    setDecision(await aliases.route({ model, messages: [{ role: "user", content: prompt }], ...cap }));
  });
  return (
    <Card title="Try it" note="shows where a request would go, without sending it" testId="try-it">
      <Form
        submission={submission}
        failure="There is no route."
        action="Show the route"
        kind="plain"
        testId="try-submit"
      >
        <TextField
          label="Model asked for"
          required
          testId="try-model"
          value={model}
          suggestions={all.map(({ alias }) => alias)}
          error={submission.errorOf("model")}
          onValue={setModel}
        />
        <TextField
          label="Longest answer (tokens)"
          type="number"
          min={1}
          value={maxTokens}
          error={submission.errorOf("max_tokens")}
          onValue={setMaxTokens}
        />
        <div class="wide">
          <TextArea label="Prompt" rows={3} testId="try-prompt" value={prompt} onValue={setPrompt} />
        </div>
      </Form>
      <div role="status">{decision !== null && <Decision decision={decision} />}</div>
    </Card>
  );
}

function Decision({ decision }: { decision: Exact<RouteDecision> }) {
  return (
    <div class="stack decision" data-testid="decision">
      <p>
        <strong>
          {decision.provider}/{decision.model}
        </strong>{" "}
        would answer: {decision.reason}
      </p>
      <p class="muted">
        {count(decision.input_tokens)} input tokens; about <Amount amount={decision.estimated_cost_usd} /> with the
        longest answer, or 1,000 tokens where none is given
      </p>
      <Chain steps={decision.chain} />
      {decision.alternatives.length > 0 && (
        <Table
          caption="The same request by other aliases"
          rows={decision.alternatives}
          rowKey={(row) => row.alias}
          columns={[
            { kind: "text", title: "Other alias", value: (row) => row.alias },
            { kind: "text", title: "Model", value: (row) => row.model },
            { kind: "money", title: "Estimated cost", value: (row) => row.estimated_cost_usd },
          ]}
        />
      )}
    </div>
  );
}
