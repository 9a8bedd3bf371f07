import { parseTyped, type Nano } from "../lib/money";
import { ApiProblem } from "./client";

/** The amount that a user has typed into a field. Throws a problem with the field if it is none. */
export function typedMoney(text: string, field: string): Nano {
  const amount = parseTyped(text);
  if (amount !== null) return amount;
  throw new ApiProblem("Write an amount of US dollars, as in 25 or 0.50.", 400, "invalid_field", field);
}
