import type { Outcome } from "../../api/types";
import { Badge, type BadgeKind } from "../../ui/badge";

const KINDS: Record<Outcome, BadgeKind> = { ok: "good", error: "bad", cancelled: "warning", interrupted: "warning" };

/** The status that the client got, and the outcome where the status does not tell it. */
export function StatusBadge({ row }: { row: { status: number | null; outcome: Outcome; error: string | null } }) {
  const isPlain = row.outcome === "ok" || (row.outcome === "error" && row.status !== 200 && row.status !== null);
  const text = isPlain ? String(row.status) : `${row.status ?? "–"} ${row.outcome}`;
  return (
    <Badge kind={KINDS[row.outcome]} title={row.error ?? row.outcome}>
      {text}
    </Badge>
  );
}
