// Which page an address shows.

import { place } from "./state/router";
import { token } from "./state/session";
import { Announcement } from "./ui/announcement";
import { Docs } from "./views/docs/docs";
import { Landing } from "./views/landing";
import { Shell } from "./views/shell";
import { SignIn } from "./views/sign-in/sign-in";
import { findView } from "./views/table";

export function App() {
  return (
    <>
      <Content path={place.value.path} />
      <Announcement />
    </>
  );
}

function Content({ path }: { path: string }) {
  if (path === "/") return <Landing />;
  if (path === "/docs") return <Docs />;
  if (token.value === null) return <SignIn />;
  const { view, parameter } = findView(path);
  return (
    <Shell current={view}>
      <view.page key={view.path + parameter} parameter={parameter} />
    </Shell>
  );
}
