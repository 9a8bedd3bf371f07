import type { ComponentChildren } from "preact";

export type BadgeKind = "plain" | "good" | "warning" | "bad" | "accent";

export function Badge({
  kind = "plain",
  children,
  title,
}: {
  kind?: BadgeKind;
  children: ComponentChildren;
  title?: string;
}) {
  return (
    <span class={`badge ${kind}`} title={title}>
      {children}
    </span>
  );
}
