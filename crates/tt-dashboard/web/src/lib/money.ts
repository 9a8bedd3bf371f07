// Money: integer nano-dollars, as the ledger keeps it. Nothing here rounds but `approximate`, which never shows a nonzero
// amount as 0.

/** An amount of nano-dollars. */
export type Nano = bigint;

/** The decimal places of a nano-dollar. */
export const PLACES = 9;
const UNIT = 10n ** BigInt(PLACES);

const DECIMAL = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

/** The nano-dollars of a JSON number. Null for a text that is no number, or that is finer than a nano-dollar. */
export function parseNano(text: string): Nano | null {
  const found = DECIMAL.exec(text);
  if (found === null) return null;
  const [, sign = "", whole = "0", fraction = "", exponent = "0"] = found;
  const shift = PLACES - fraction.length + Number(exponent);
  if (Math.abs(shift) > 40) return null;
  const digits = BigInt(whole + fraction);
  const scaled = shift >= 0 ? digits * 10n ** BigInt(shift) : divideExactly(digits, 10n ** BigInt(-shift));
  if (scaled === null) return null;
  return sign === "-" ? -scaled : scaled;
}

function divideExactly(value: bigint, by: bigint): bigint | null {
  return value % by === 0n ? value / by : null;
}

/** The nano-dollars that a user has typed: `12`, `12.5` or `$1,200.50`. Null for any other text. */
export function parseTyped(text: string): Nano | null {
  const plain = text.trim().replace(/^\$/, "").replaceAll(",", "");
  return /^\d+(\.\d{1,9})?$/.test(plain) ? parseNano(plain) : null;
}

/** The sum of the amounts that are known; null where there are amounts and none is known. */
export function sum(amounts: readonly (Nano | null)[]): Nano | null {
  const known = amounts.filter((amount) => amount !== null);
  if (amounts.length > 0 && known.length === 0) return null;
  return known.reduce((total, amount) => total + amount, 0n);
}

/** The exact amount with as few decimal places as it needs: `0.000012345`. It is a JSON number. */
export function exact(amount: Nano): string {
  return fixed(amount, placesOf(amount));
}

/** The decimal places that the exact amount needs. */
export function placesOf(amount: Nano): number {
  let places = PLACES;
  let rest = amount;
  while (places > 0 && rest % 10n === 0n) {
    rest /= 10n;
    places -= 1;
  }
  return places;
}

/** The amount with so many decimal places; what is finer is cut off, so that callers choose places that suffice. */
export function fixed(amount: Nano, places: number): string {
  const { sign, whole, fraction } = digits(amount);
  return sign + whole + (places > 0 ? `.${fraction.slice(0, places)}` : "");
}

/** The parts of an amount for display: the dollars with separators of thousands, and nine decimal places. */
export function digits(amount: Nano): { sign: string; whole: string; fraction: string } {
  const size = amount < 0n ? -amount : amount;
  return {
    sign: amount < 0n ? "-" : "",
    whole: (size / UNIT).toString(),
    fraction: (size % UNIT).toString().padStart(PLACES, "0"),
  };
}

/** Puts separators between the thousands of a whole number. */
export function grouped(whole: string): string {
  return whole.replace(/\B(?=(\d{3})+$)/g, ",");
}

/** An amount for a heading: cents from a dollar on, three significant digits below. A nonzero amount is never 0. */
export function approximate(amount: Nano): string {
  const size = amount < 0n ? -amount : amount;
  const places = size === 0n || size >= UNIT ? 2 : Math.min(PLACES, Math.max(2, leadingZeros(size) + 3));
  const rounded = roundHalfEven(amount, places);
  const { sign, whole, fraction } = digits(rounded);
  return `${sign}$${grouped(whole)}.${fraction.slice(0, places).replace(/(?<=..)0+$/, "")}`;
}

/** The zeros behind the decimal point of an amount under a dollar. */
function leadingZeros(size: Nano): number {
  return PLACES - size.toString().length;
}

function roundHalfEven(amount: Nano, places: number): Nano {
  const step = 10n ** BigInt(PLACES - places);
  const size = amount < 0n ? -amount : amount;
  const rest = size % step;
  const floor = size - rest;
  const up = rest * 2n > step || (rest * 2n === step && (floor / step) % 2n === 1n);
  const rounded = up ? floor + step : floor;
  return amount < 0n ? -rounded : rounded;
}

/** The amount in dollars as a float, for heights of bars alone. */
export function forChart(amount: Nano): number {
  return Number(amount) / Number(UNIT);
}

/** `part` of `whole` as a float between 0 and 1, for shares and widths of bars alone. */
export function share(part: Nano, whole: Nano): number {
  return whole === 0n ? 0 : Number((part * 1_000_000n) / whole) / 1_000_000;
}
