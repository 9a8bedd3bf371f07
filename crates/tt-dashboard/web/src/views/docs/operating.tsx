import { Code } from "../../ui/copy";
import type { Values } from "./guides";
import { COMMANDS_SNIPPET, healthSnippet, metricsSnippet } from "./snippets";

/** What whoever runs the server needs besides: its health, its metrics, TLS, and copies of its data. */
export function Operating({ values }: { values: Values }) {
  return (
    <section aria-labelledby="operating">
      <h2 id="operating">Running the server</h2>
      <p>
        Its settings are variables of the environment; <code>tokentracer --help</code> lists them all. With{" "}
        <code>TLS_CERT</code> and <code>TLS_KEY</code>, the PEM files of a certificate and its key, it speaks https itself,
        and reads both again on SIGHUP. <code>SIGNUP=closed</code> lets nobody sign up by themselves.
      </p>
      <p>
        A target that keeps failing rests for seconds to minutes, and aliases pass it over for their fallbacks meanwhile. The{" "}
        <a href="/dashboard/providers">provider keys</a> show what rests, until when and why.
      </p>
      <Code text={healthSnippet(values)} what="the health of the server" />
      <p>
        With <code>METRICS_TOKEN</code> set, Prometheus reads requests, tokens, cost, durations and the state of the server
        from <code>/metrics</code>, to the nano-dollar what the dashboard shows. Each process has metrics of its own.
      </p>
      <Code text={metricsSnippet(values)} what="the settings of Prometheus" />
      <p>
        A copy of the database and, kept apart from it, the file <code>secrets</code> of the data directory are a backup. On
        PostgreSQL, its own tools copy it.
      </p>
      <Code text={COMMANDS_SNIPPET} what="commands of the server" />
    </section>
  );
}
