// The pages of the dashboard: their addresses, their places in the navigation, and their code.

import type { ComponentType } from "preact";
import { Account } from "./account/account";
import { Audit } from "./admin/audit";
import { Prices } from "./admin/prices";
import { Users } from "./admin/users";
import { Aliases } from "./aliases/aliases";
import { BudgetsView } from "./budgets/budgets";
import { GapsView } from "./gaps";
import { Keys } from "./keys/keys";
import { Missing } from "./missing";
import { Overview } from "./overview/overview";
import { Providers } from "./providers/providers";
import { Requests } from "./requests/requests";
import { Sessions } from "./sessions/sessions";
import { Webhooks } from "./webhooks/webhooks";
import { WhatIfView } from "./whatif";

export interface View {
  path: string;
  title: string;
  group: "Usage" | "Set-up" | "Control" | "Administration" | null;
  testId?: string;
  isForAdmins?: boolean;
  /** `parameter` is the part of the path behind that of the page. */
  page: ComponentType<{ parameter: string }>;
}

const OVERVIEW: View = {
  path: "/dashboard",
  title: "Overview",
  group: "Usage",
  testId: "nav-usage",
  page: Overview,
};

export const VIEWS: readonly View[] = [
  OVERVIEW,
  {
    path: "/dashboard/requests",
    title: "Requests",
    group: "Usage",
    testId: "nav-requests",
    page: Requests,
  },
  {
    path: "/dashboard/sessions",
    title: "Sessions",
    group: "Usage",
    testId: "nav-sessions",
    page: Sessions,
  },
  {
    path: "/dashboard/gaps",
    title: "Gaps",
    group: "Usage",
    testId: "nav-gaps",
    page: GapsView,
  },
  {
    path: "/dashboard/providers",
    title: "Provider keys",
    group: "Set-up",
    testId: "nav-providers",
    page: Providers,
  },
  {
    path: "/dashboard/aliases",
    title: "Aliases",
    group: "Set-up",
    testId: "nav-aliases",
    page: Aliases,
  },
  {
    path: "/dashboard/keys",
    title: "API keys",
    group: "Set-up",
    testId: "nav-keys",
    page: Keys,
  },
  {
    path: "/dashboard/budgets",
    title: "Budgets and limits",
    group: "Control",
    testId: "nav-budgets",
    page: BudgetsView,
  },
  {
    path: "/dashboard/webhooks",
    title: "Webhooks",
    group: "Control",
    testId: "nav-webhooks",
    page: Webhooks,
  },
  {
    path: "/dashboard/whatif",
    title: "What if",
    group: "Control",
    testId: "nav-whatif",
    page: WhatIfView,
  },
  {
    path: "/dashboard/prices",
    title: "Prices",
    group: "Control",
    testId: "nav-prices",
    page: Prices,
  },
  {
    path: "/dashboard/users",
    title: "Users",
    group: "Administration",
    testId: "nav-users",
    isForAdmins: true,
    page: Users,
  },
  {
    path: "/dashboard/audit",
    title: "Audit",
    group: "Control",
    testId: "nav-audit",
    page: Audit,
  },
  {
    path: "/dashboard/account",
    title: "Account",
    group: null,
    page: Account,
  },
];

const MISSING: View = {
  path: "",
  title: "Not found",
  group: null,
  page: Missing,
};

/** The page for a path, with the part of the path behind that of the page. */
export function findView(path: string): { view: View; parameter: string } {
  const exact = VIEWS.find((view) => view.path === path);
  if (exact !== undefined) return { view: exact, parameter: "" };
  const parent = VIEWS.find((view) => view !== OVERVIEW && path.startsWith(`${view.path}/`));
  if (parent === undefined) return { view: MISSING, parameter: "" };
  return { view: parent, parameter: decode(path.slice(parent.path.length + 1)) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
