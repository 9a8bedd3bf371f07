// The integration guide, filled in for the visitor, and the reference of the API where the server has one.

import { useEffect } from "preact/hooks";
import { aliases } from "../../api/calls";
import { useResource } from "../../state/resource";
import { token } from "../../state/session";
import { Code } from "../../ui/copy";
import { Public } from "../public";
import { guides, type Guide, type Values } from "./guides";
import { loadReference } from "./openapi";
import { Operating } from "./operating";
import { Reference } from "./reference";
import { Rules } from "./rules";

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
          <Operating values={values} />
          {reference !== null && <Reference document={reference} />}
        </div>
      </div>
    </Public>
  );
}

function Contents({ clients, hasReference }: { clients: readonly Guide[]; hasReference: boolean }) {
  const more = [
    ["tags", "Tags and sessions"],
    ["limits", "Limits and budgets"],
    ["numbers", "Usage by the API"],
    ["webhooks", "Webhooks and alerts"],
    ["errors", "Errors"],
    ["operating", "Running the server"],
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
