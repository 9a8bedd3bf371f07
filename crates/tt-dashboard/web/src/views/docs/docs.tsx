// The integration guide, filled in for the visitor, and the reference of the API where the server has one.

import { useEffect } from "preact/hooks";
import { aliases } from "../../api/calls";
import { useResource } from "../../state/resource";
import { token } from "../../state/session";
import { Code } from "../../ui/copy";
import { Table } from "../../ui/table";
import { Public } from "../public";
import { ERRORS } from "./errors";
import { guides, keySnippet, SIGNATURE_SNIPPET, tagSnippet, type Guide, type Values } from "./guides";
import { loadReference } from "./openapi";
import { Reference } from "./reference";

/** The name in the snippets of visitors who have no alias. */
const PLACEHOLDER = "fast";

async function firstAlias(signal: AbortSignal): Promise<string> {
  if (token.peek() === null) return PLACEHOLDER;
  const all = await aliases.list(signal);
  return all.find(({ alias }) => !alias.endsWith("*"))?.alias ?? PLACEHOLDER;
}

export function Docs() {
  const alias = useResource("alias", firstAlias).data ?? PLACEHOLDER;
  const reference = useResource("reference", loadReference).data;
  const values: Values = { url: location.origin, alias };
  const clients = guides(values);
  useEffect(() => {
    document.title = "Guide · TokenTracer";
  }, []);
  return (
    <Public>
      <div class="guide">
        <Contents clients={clients} hasReference={reference !== null} />
        <div>
          <section aria-labelledby="start">
            <h1 id="start">Set up a client</h1>
            <p>
              Any client of OpenAI, Anthropic or Gemini works: give it the address of this server, an{" "}
              <a href="/dashboard/keys">API key</a> and the name of an <a href="/dashboard/aliases">alias</a>. A model
              can be named without an alias too, as <code>openai/gpt-4o-mini</code>.
            </p>
          </section>
          {clients.map((guide) => (
            <Section key={guide.id} guide={guide} />
          ))}
          <Rules values={values} />
          {reference !== null && <Reference document={reference} />}
        </div>
      </div>
    </Public>
  );
}

function Contents({ clients, hasReference }: { clients: readonly Guide[]; hasReference: boolean }) {
  const more = [
    ["tags", "Tags"],
    ["limits", "Limits and budgets"],
    ["webhooks", "Webhooks"],
    ["errors", "Errors"],
    ...(hasReference ? [["reference", "API reference"]] : []),
  ];
  const entries = [...clients.map(({ id, title }) => [id, title]), ...more];
  return (
    <nav class="guide-contents" aria-label="Contents">
      <ul>
        {entries.map(([id, title]) => (
          <li key={id}>
            <a href={`#${id ?? ""}`}>{title}</a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Section({ guide }: { guide: Guide }) {
  return (
    <section aria-labelledby={guide.id}>
      <h2 id={guide.id}>{guide.title}</h2>
      {guide.note !== undefined && <p>{guide.note}</p>}
      {guide.snippets.map((snippet) => (
        <Code key={snippet.what} {...snippet} />
      ))}
    </section>
  );
}

function Rules({ values }: { values: Values }) {
  return (
    <>
      <section aria-labelledby="tags">
        <h2 id="tags">Tags</h2>
        <p>
          Tags divide the usage as you like: by team, feature or customer. They stay with the record and never go to the
          provider. At most 10, of 64 characters each.
        </p>
        <Code text={tagSnippet(values)} what="tags" />
      </section>
      <section aria-labelledby="limits">
        <h2 id="limits">Limits and budgets</h2>
        <p>
          Limits count requests, in any 60 seconds and in a UTC day. Budgets count money: the worst case of a request is
          reserved before it is sent, so that a request that might not fit is refused. Answers name what is left in{" "}
          <code>x-ratelimit-remaining-requests</code>; a refusal says in <code>retry-after</code> when to ask again. A
          key can ask for its own state:
        </p>
        <Code text={keySnippet(values)} what="the state of a key" />
      </section>
      <section aria-labelledby="webhooks">
        <h2 id="webhooks">Webhooks</h2>
        <p>
          A <a href="/dashboard/webhooks">webhook</a> is told when a budget is nearly spent, a key expires, a model has no
          price or a record is incomplete. Events come at least once, always with the same body, and are signed as Standard
          Webhooks has it. With its libraries, or in Python, a receiver checks who sent one:
        </p>
        <Code text={SIGNATURE_SNIPPET} what="the check of a signature" />
      </section>
      <section aria-labelledby="errors">
        <h2 id="errors">Errors</h2>
        <p>
          Errors come in the shape of the API that was called, with the id of the request in <code>x-request-id</code>.
          The <a href="/dashboard/requests">log</a> finds a request by it.
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
