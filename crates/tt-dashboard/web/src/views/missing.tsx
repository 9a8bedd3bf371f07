import { Empty, Page } from "../ui/page";

export function Missing() {
  return (
    <Page title="Not found">
      <Empty title="There is no such page.">
        Go to the <a href="/dashboard">overview</a>.
      </Empty>
    </Page>
  );
}
