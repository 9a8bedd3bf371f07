import { Card } from "../../ui/page";

const STEPS = [
  { href: "/dashboard/providers", title: "Add a provider key", why: "the account that requests are billed to" },
  { href: "/dashboard/aliases", title: "Name a model by an alias", why: "and decide what is tried when it fails" },
  { href: "/dashboard/keys", title: "Make an API key", why: "for the program that will ask" },
  { href: "/docs", title: "Send a request", why: "the guide has the set-up of each client" },
];

/** What to do where there is nothing to look at yet. */
export function FirstSteps() {
  return (
    <Card title="No request was made in this time." note="Choose another range, or begin:" testId="empty">
      <ol class="first-steps">
        {STEPS.map(({ href, title, why }) => (
          <li key={href}>
            <a href={href}>{title}</a> <span class="muted">{why}</span>
          </li>
        ))}
      </ol>
    </Card>
  );
}
