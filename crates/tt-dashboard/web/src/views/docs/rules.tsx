// The rules for every client: tags, limits, budgets, the numbers, alerts and errors.

import { Code } from "../../ui/copy";
import { Table } from "../../ui/table";
import { EVENTS } from "../webhooks/events";
import { ERRORS } from "./errors";
import type { Values } from "./guides";
import { keySnippet, SIGNATURE_SNIPPET, tagSnippet, usageSnippet } from "./snippets";

export function Rules({ values }: { values: Values }) {
  return (
    <>
      <section aria-labelledby="tags">
        <h2 id="tags">Tags and sessions</h2>
        <p>
          Tags divide the usage as you like: by team, feature or customer. They stay with the record and never go to the
          provider. At most 10, of 64 characters each. A session joins the requests of one conversation or job; coding
          agents name theirs by themselves.
        </p>
        <Code text={tagSnippet(values)} what="tags and a session" />
        <p>
          Every answer says in its headers what became of the request: <code>x-request-id</code>,{" "}
          <code>x-tokentracer-provider</code>, <code>x-tokentracer-model</code>, <code>x-tokentracer-route</code>,{" "}
          <code>x-tokentracer-attempts</code> and, where it is known by then, <code>x-tokentracer-cost-usd</code>.
        </p>
      </section>
      <Limits values={values} />
      <section aria-labelledby="numbers">
        <h2 id="numbers">Usage by the API</h2>
        <p>
          Every number of the dashboard is a call of the API. <code>/manage/usage</code> adds up by{" "}
          <code>provider</code>, <code>alias</code>, <code>model</code>, <code>api_key</code>, <code>day</code>,{" "}
          <code>hour</code>, <code>status</code>, <code>route</code>, <code>dialect</code>, <code>client</code>,{" "}
          <code>session</code> and <code>tag:NAME</code>. It takes the same filters as the log, the gaps and the
          comparison with another model: <code>alias</code>, <code>provider</code>, <code>model</code>,{" "}
          <code>api_key</code>, <code>client</code>, <code>session</code>, <code>tag</code>, <code>status</code>,{" "}
          <code>route</code>, <code>dialect</code> and <code>outcome</code>; an empty value means those that have none. The
          key needs the scope <code>manage</code>.
        </p>
        <Code text={usageSnippet(values)} what="usage by day and model" />
      </section>
      <Alerts />
      <section aria-labelledby="errors">
        <h2 id="errors">Errors</h2>
        <p>
          Errors come in the shape of the API that was called, with the id of the request in <code>x-request-id</code>. The{" "}
          <a href="/dashboard/requests">log</a> finds a request by it.
        </p>
        <Table
          caption="Errors"
          rows={ERRORS}
          rowKey={(error) => error.status + error.codes}
          columns={[
            { kind: "text", title: "Status", value: (error) => error.status },
            { kind: "text", title: "Codes", value: (error) => error.codes },
            { kind: "text", title: "What to do", value: (error) => error.remedy },
          ]}
        />
      </section>
    </>
  );
}

function Limits({ values }: { values: Values }) {
  return (
    <section aria-labelledby="limits">
      <h2 id="limits">Limits and budgets</h2>
      <p>
        Limits count requests, in any 60 seconds and in a UTC day. Answers name what is left in{" "}
        <code>x-ratelimit-remaining-requests</code>; a refusal says in <code>retry-after</code> when to ask again.
      </p>
      <p>
        <a href="/dashboard/budgets">Budgets</a> count money, of a UTC day, of a month or in total: yours, an
        administrator&#39;s for you, and those of API keys. All of them hold. The worst case of a request is reserved before
        it is sent, so that a request that might not fit is refused. When little is left, a request may go out with a shorter
        answer instead, and <code>x-tokentracer-budget-capped: true</code> says so. A soft budget reserves and refuses
        nothing: it only has <a href="/dashboard/webhooks">webhooks</a> told when 50, 80 and 100 % are spent.
      </p>
      <p>A key can ask for its own state:</p>
      <Code text={keySnippet(values)} what="the state of a key" />
    </section>
  );
}

function Alerts() {
  return (
    <section aria-labelledby="webhooks">
      <h2 id="webhooks">Webhooks and alerts</h2>
      <p>
        A <a href="/dashboard/webhooks">webhook</a> is an address that is told when something happens. Events come at least
        once, always with the same body, and what a receiver does not take with a 2xx is sent again for a day.
      </p>
      <Table
        caption="Events of webhooks"
        rows={EVENTS}
        rowKey={({ event }) => event}
        columns={[
          { kind: "text", title: "Event", value: ({ event }) => event, cell: ({ event }) => <code>{event}</code> },
          { kind: "text", title: "When", value: ({ text }) => text },
          {
            kind: "text",
            title: "For",
            value: ({ scopes }) =>
              scopes.map((scope) => (scope === "own" ? "you" : "all users, to administrators")).join("; "),
          },
        ]}
      />
      <p>
        They are signed as Standard Webhooks has it. With its libraries, or in Python, a receiver checks who sent one:
      </p>
      <Code text={SIGNATURE_SNIPPET} what="the check of a signature" />
    </section>
  );
}
