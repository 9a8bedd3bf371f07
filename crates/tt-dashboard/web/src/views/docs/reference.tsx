import { Table } from "../../ui/table";
import type { ApiDocument } from "./openapi";

/** The calls of the API, each with what it does and what it answers. */
export function Reference({ document }: { document: ApiDocument }) {
  return (
    <section aria-labelledby="reference">
      <h2 id="reference">API reference</h2>
      <p>
        The whole description is at <a href="/openapi.json">/openapi.json</a>
        {document.version !== "" && `, version ${document.version}`}.
      </p>
      <Table
        caption="API reference"
        rows={document.operations}
        rowKey={(operation) => `${operation.method} ${operation.path}`}
        columns={[
          {
            kind: "text",
            title: "Call",
            value: (operation) => `${operation.method} ${operation.path}`,
            cell: (operation) => (
              <code>
                {operation.method} {operation.path}
              </code>
            ),
          },
          { kind: "text", title: "What it does", value: (operation) => operation.summary },
          { kind: "text", title: "Answers", value: (operation) => operation.statuses.join(", ") },
        ]}
      />
    </section>
  );
}
