// What the recorded tokens would have cost on another model.

import { useState } from "preact/hooks";
import { ledger, prices, type Filters, type Span } from "../api/calls";
import type { Exact } from "../api/exact";
import type { WhatIf } from "../api/types";
import { count, percentage, plural } from "../lib/format";
import { forChart } from "../lib/money";
import { rangeOf, spanOf } from "../lib/range";
import { filtersOf } from "../lib/usage";
import { place, setQuery } from "../state/router";
import { useResource } from "../state/resource";
import { Button } from "../ui/button";
import { TextField } from "../ui/field";
import { FilterBar } from "../ui/filter-bar";
import { Loaded } from "../ui/loaded";
import { Amount } from "../ui/money";
import { Card, Empty, Page } from "../ui/page";
import { RangePicker } from "../ui/range-picker";
import { Table } from "../ui/table";

/** The parameter that names the other model; `model` is a filter, as in every view. */
const OTHER = "other";

async function loadModels(signal: AbortSignal): Promise<string[]> {
  const list = await prices.list(signal);
  return list.prices.map(({ provider, model }) => `${provider}/${model}`);
}

export function WhatIfView() {
  const { query } = place.value;
  const range = rangeOf(query, new Date());
  const models = useResource("", loadModels);
  const [span, filters, asked] = [spanOf(range), filtersOf(query), query.get(OTHER) ?? ""];
  const [model, setModel] = useState(asked);
  return (
    <Page
      title="What if"
      lead="What your requests would have cost on another model, by the tokens that were recorded."
      actions={<RangePicker range={range} />}
    >
      <FilterBar filters={filters} span={span} />
      <Card title="Compare with">
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            setQuery({ [OTHER]: model.trim() === "" ? null : model.trim() });
          }}
        >
          <TextField
            label="Model"
            placeholder="openai/gpt-4o-mini"
            required
            testId="whatif-model"
            value={model}
            suggestions={models.data ?? []}
            hint="As provider/model, of the list of prices."
            onValue={setModel}
          />
          <div class="form-foot">
            <Button kind="primary" type="submit" testId="whatif-submit">
              Compare
            </Button>
          </div>
        </form>
      </Card>
      {asked === "" ? (
        <Empty title="Choose a model to compare with." />
      ) : (
        <Result span={span} model={asked} filters={filters} />
      )}
    </Page>
  );
}

function Result({ span, model, filters }: { span: Span; model: string; filters: Filters }) {
  const key = JSON.stringify([span, model, [...filters]]);
  const resource = useResource(key, (signal) => ledger.whatIf(span, model, filters, signal));
  return (
    <Loaded resource={resource} what="the comparison">
      {(result) =>
        result.requests === 0 ? (
          <Empty title="There is no request to compare.">Choose a longer range or fewer filters.</Empty>
        ) : (
          <Comparison result={result} />
        )
      }
    </Loaded>
  );
}

function Comparison({ result }: { result: Exact<WhatIf> }) {
  const { cost_usd: cost, whatif_cost_usd: there } = result;
  return (
    <Card title={`${plural(result.requests, "request")} of this time`} testId="whatif-result">
      <div class="compare">
        <p>
          <span class="muted">As they were</span>
          <span class="metric-value">
            <Amount amount={cost} testId="whatif-cost" />
          </span>
          {result.unpriced > 0 && (
            <span class="muted small">without {plural(result.unpriced, "request")} of unknown cost</span>
          )}
        </p>
        <p>
          <span class="muted break">On {result.model}</span>
          <span class="metric-value">
            <Amount amount={there} testId="whatif-there" />
          </span>
          {result.whatif_unpriced > 0 && (
            <span class="muted small">without {plural(result.whatif_unpriced, "request")} of unknown cost</span>
          )}
        </p>
        {cost !== null && there !== null && (
          <p>
            <span class="muted">{there > cost ? "More" : "Less"}</span>
            <span class="metric-value">
              <Amount amount={there > cost ? there - cost : cost - there} />
            </span>
            {cost > 0n && (
              <span class="muted small">{percentage(Math.abs(forChart(there - cost)) / forChart(cost))}</span>
            )}
          </p>
        )}
      </div>
      <Table
        caption="The tokens of these requests"
        rows={[
          ["Input", result.input_tokens],
          ["of it read from a cache", result.cached_input_tokens],
          ["of it written to a cache", result.cache_write_tokens],
          ["Output", result.output_tokens],
          ["of it reasoning", result.reasoning_tokens],
        ]}
        rowKey={(row) => String(row[0])}
        file="what-if"
        columns={[
          { kind: "text", title: "Tokens", value: (row) => String(row[0]) },
          {
            kind: "number",
            title: "Number",
            value: (row) => Number(row[1]),
            cell: (row) => count(Number(row[1])),
          },
        ]}
      />
    </Card>
  );
}
