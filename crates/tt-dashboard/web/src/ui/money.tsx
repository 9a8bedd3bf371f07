// Amounts of money. Every one is a `<data>` element that holds the exact amount.

import { approximate, digits, exact, grouped, type Nano } from "../lib/money";

const CENTS = 2;

/** The exact amount with so many decimal places, so that the amounts of a column stand below each other. What is finer than
 * a cent is written paler. */
export function Money({ amount, places = CENTS }: { amount: Nano | null; places?: number }) {
  if (amount === null) return <Unknown />;
  const { sign, whole, fraction } = digits(amount);
  return (
    <data class="money" value={exact(amount)}>
      {sign}${grouped(whole)}.{fraction.slice(0, CENTS)}
      {places > CENTS && <span class="money-fine">{fraction.slice(CENTS, places)}</span>}
    </data>
  );
}

/** The amount rounded for a heading, with the exact one for those who point at it. */
export function Amount({ amount, testId }: { amount: Nano | null; testId?: string }) {
  if (amount === null) return <Unknown />;
  return (
    <data class="money" value={exact(amount)} title={`$${exact(amount)} exactly`} data-testid={testId}>
      {approximate(amount)}
    </data>
  );
}

function Unknown() {
  return (
    <span class="muted" title="No price is known, so that the cost is not known either.">
      unknown
    </span>
  );
}
