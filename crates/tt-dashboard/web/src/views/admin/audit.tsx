// The audit trail: everybody's for administrators, else one's own.

import { admin } from "../../api/calls";
import { me } from "../../state/session";
import { place, setQuery } from "../../state/router";
import { useResource } from "../../state/resource";
import { Button } from "../../ui/button";
import { Loaded } from "../../ui/loaded";
import { Card, Empty, Page } from "../../ui/page";
import { Table } from "../../ui/table";
import { ZoneNote } from "../../ui/time";

export function Audit() {
  const cursor = place.value.query.get("cursor") ?? undefined;
  const resource = useResource(cursor ?? "", (signal) => admin.audit(cursor, signal));
  const whose = me.value?.role === "admin" ? "everybody's" : "your own";
  return (
    <Page title="Audit" lead={`Who signed in and who changed what: ${whose} entries, the newest first.`}>
      <Loaded resource={resource} what="the audit trail">
        {({ data, next_cursor: next }) => (
          <>
            <Card title="Entries">
              {data.length === 0 ? (
                <Empty title="There is no entry." />
              ) : (
                <Table
                  caption="Audit trail"
                  rows={data}
                  rowKey={(entry) => data.indexOf(entry)}
                  file="audit"
                  columns={[
                    { kind: "time", title: "Time", value: (entry) => entry.at },
                    { kind: "text", title: "Who", value: (entry) => entry.actor },
                    { kind: "text", title: "What", value: (entry) => entry.action },
                    { kind: "text", title: "Of", value: (entry) => entry.object },
                    { kind: "text", title: "Detail", value: (entry) => entry.detail },
                    { kind: "text", title: "Address", value: (entry) => entry.address },
                  ]}
                />
              )}
            </Card>
            <div class="form-foot">
              {cursor !== undefined && <Button onClick={() => setQuery({ cursor: null })}>Newest</Button>}
              {next !== null && <Button onClick={() => setQuery({ cursor: next })}>Older</Button>}
            </div>
            <ZoneNote />
          </>
        )}
      </Loaded>
    </Page>
  );
}
