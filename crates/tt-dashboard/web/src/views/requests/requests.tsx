// The log: requests, the newest first, and the page of one of them.

import { Log } from "./log";
import { RequestPage } from "./request";

export function Requests({ parameter }: { parameter: string }) {
  return parameter === "" ? <Log /> : <RequestPage id={parameter} />;
}
