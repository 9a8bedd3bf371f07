// Everything that is recorded of one request.

import { Fragment, type ComponentChildren } from "preact";
import { apiKeys, ledger } from "../../api/calls";
import type { Exact } from "../../api/exact";
import { formatJson } from "../../api/json";
import type { ApiKey, LogDetail, Note } from "../../api/types";
import { duration } from "../../lib/format";
import { keyName } from "../../lib/names";
import { useResource } from "../../state/resource";
import { Chain } from "../../ui/chain";
import { Code } from "../../ui/copy";
import { Loaded } from "../../ui/loaded";
import { Amount } from "../../ui/money";
import { Card, Empty, Page } from "../../ui/page";
import { Table } from "../../ui/table";
import { Time } from "../../ui/time";
import { Attempts } from "./attempts";
import { CostLines } from "./cost-lines";
import { sessionHref } from "./href";
import { StatusBadge } from "./status-badge";
import { tagText } from "./log-table";

type Detail = Exact<LogDetail>;

export function RequestPage({ id }: { id: string }) {
  const resource = useResource(id, (signal) => ledger.request(id, signal));
  const keys = useResource("keys", apiKeys.list).data ?? [];
  return (
    <Page
      title="Request"
      lead={<code class="break">{id}</code>}
      actions={
        <a class="button" href="/dashboard/requests">
          All requests
        </a>
      }
    >
      <Loaded resource={resource} what="the request">
        {(request) => (
          <>
            <div class="columns">
              <Facts request={request} keys={keys} />
              <RouteCard request={request} />
            </div>
            <Attempts request={request} />
            <CostLines request={request} />
            <Notes notes={request.notes} />
            <RawUsage usage={request.usage_raw} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ request, keys }: { request: Detail; keys: readonly Exact<ApiKey>[] }) {
  const latency = duration(request.latency_ms);
  const facts: [string, ComponentChildren][] = [
    ["Arrived", <Time at={request.created_at} precision="second" />],
    ["Outcome", <StatusBadge row={request} />],
    ["Cost", <Amount amount={request.cost_usd} testId="request-cost" />],
    ["Saved", <Amount amount={request.saved_usd} />],
    ["Model", request.model === null ? "–" : `${request.provider ?? ""}/${request.model}`],
    [
      "Time taken",
      request.first_token_ms === null ? latency : `${latency}, first token after ${duration(request.first_token_ms)}`,
    ],
    ["Asked as", `${request.dialect}${request.stream ? ", streamed" : ""}`],
    ["API key", keyName(request.api_key_id === null ? null : String(request.api_key_id), keys)],
    ["Client", request.client ?? "–"],
    [
      "Session",
      request.session === null ? (
        "–"
      ) : (
        <a href={sessionHref(request.session, request.created_at)}>{request.session}</a>
      ),
    ],
    ["Agent", request.agent ?? "–"],
    ["Trace", request.trace_id ?? "–"],
    ["Tags", tagText(request.tags) ?? "–"],
    ["Error", request.error ?? "–"],
  ];
  return (
    <Card title="Facts">
      <dl class="facts">
        {facts.map(([name, value]) => (
          <Fragment key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </Fragment>
        ))}
      </dl>
    </Card>
  );
}

function RouteCard({ request }: { request: Detail }) {
  return (
    <Card title="Route">
      <div class="stack">
        <p>{request.route_reason === "" ? "The first target of the alias." : request.route_reason}</p>
        <Chain steps={request.chain} />
        <ol class="steps small">
          {request.chain.map((step) => (
            <li key={step.alias + step.route}>
              <strong>{step.alias}</strong> ({step.route}): {step.reason}
            </li>
          ))}
        </ol>
      </div>
    </Card>
  );
}

function Notes({ notes }: { notes: readonly Note[] }) {
  if (notes.length === 0) return null;
  return (
    <Card title="Notes" note="the parameters that a target could not express">
      <Table
        caption="Notes"
        rows={notes}
        rowKey={(note) => note.param + note.what}
        columns={[
          { kind: "text", title: "Parameter", value: (note) => note.param },
          { kind: "text", title: "What was done", value: (note) => note.what },
          { kind: "text", title: "Why", value: (note) => note.why },
        ]}
      />
    </Card>
  );
}

function RawUsage({ usage }: { usage: unknown }) {
  return (
    <Card title="Usage as the provider sent it">
      {usage === null ? (
        <Empty title="The provider sent no usage." />
      ) : (
        <Code text={formatJson(usage, 2)} what="the usage" />
      )}
    </Card>
  );
}
