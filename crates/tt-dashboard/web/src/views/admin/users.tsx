// Users, for administrators: roles, limits, budgets.

import { useState } from "preact/hooks";
import { admin } from "../../api/calls";
import type { Exact } from "../../api/exact";
import type { User } from "../../api/types";
import { count } from "../../lib/format";
import { approximate } from "../../lib/money";
import { place, setQuery } from "../../state/router";
import { useResource } from "../../state/resource";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Loaded } from "../../ui/loaded";
import { Card, Page } from "../../ui/page";
import { Table } from "../../ui/table";
import { UserDialog } from "./user-dialog";

type Account = Exact<User>;

export function Users() {
  const cursor = place.value.query.get("cursor") ?? undefined;
  const resource = useResource(cursor ?? "", (signal) => admin.users(cursor, signal));
  const [opened, setOpened] = useState<Account | null>(null);
  return (
    <Page title="Users" lead="Everybody who may use this server.">
      <Loaded resource={resource} what="the users">
        {({ data, next_cursor: next }) => (
          <Card title="Users">
            <UserTable users={data} onEdit={setOpened} />
            <div class="form-foot">
              {cursor !== undefined && <Button onClick={() => setQuery({ cursor: null })}>The first</Button>}
              {next !== null && <Button onClick={() => setQuery({ cursor: next })}>More</Button>}
            </div>
          </Card>
        )}
      </Loaded>
      {opened !== null && (
        <UserDialog
          user={opened}
          onClose={() => setOpened(null)}
          onSaved={() => {
            setOpened(null);
            resource.reload();
          }}
        />
      )}
    </Page>
  );
}

function UserTable({ users, onEdit }: { users: readonly Account[]; onEdit: (user: Account) => void }) {
  const limit = (value: number) => (value === 0 ? "the server's" : count(value));
  return (
    <Table
      caption="Users"
      rows={users}
      rowKey={(user) => user.id}
      rowTestId="user-row"
      file="users"
      columns={[
        { kind: "text", title: "Email", value: (user) => user.email },
        {
          kind: "text",
          title: "Role",
          value: (user) => user.role,
          cell: (user) => (
            <>
              <Badge kind={user.role === "admin" ? "accent" : "plain"}>{user.role}</Badge>{" "}
              {user.disabled && <Badge kind="bad">disabled</Badge>}
            </>
          ),
        },
        { kind: "text", title: "A minute", value: (user) => limit(user.rate_limit_minute) },
        { kind: "text", title: "A UTC day", value: (user) => limit(user.rate_limit_daily) },
        {
          kind: "text",
          title: "Budget",
          value: budgetText,
        },
        { kind: "time", title: "Since", value: (user) => user.created_at },
      ]}
      actions={(user) => (
        <Button kind="quiet" label={`Edit ${user.email}`} testId="user-edit" onClick={() => onEdit(user)}>
          Edit
        </Button>
      )}
    />
  );
}

function budgetText({ budget_usd: budget, budget_period: period, budget_soft: isSoft }: Account): string {
  return budget === null ? "none" : `${approximate(budget)} ${period ?? ""}${isSoft ? ", soft" : ""}`;
}
