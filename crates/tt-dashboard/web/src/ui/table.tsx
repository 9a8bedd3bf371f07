// Tables: aligned, sortable, with exact totals, and saved as CSV with the same numbers.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { download, toCsv, type Cell } from "../lib/csv";
import { count } from "../lib/format";
import { exact, placesOf, type Nano } from "../lib/money";
import { Button } from "./button";
import { Money } from "./money";
import { Time } from "./time";

interface Titled<Row> {
  title: string;
  /** How the cell is shown, where it is not shown as its value is. */
  cell?: (row: Row) => ComponentChildren;
  /** The value of the last row, which holds the totals. */
  total?: string | number | Nano | null;
}

/** A column. Its kind says how its values are shown, sorted and saved. */
export type Column<Row> = Titled<Row> &
  (
    | { kind: "text"; value: (row: Row) => string | null }
    | { kind: "time"; value: (row: Row) => string | null }
    | { kind: "number"; value: (row: Row) => number | null }
    | { kind: "money"; value: (row: Row) => Nano | null }
  );

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  /** The name of the CSV file; without one, the table is not to be saved. */
  file?: string;
  /** True where a click on a heading sorts. */
  isSortable?: boolean;
  actions?: (row: Row) => ComponentChildren;
  rowTestId?: string;
  /** The most rows that are shown until the reader asks for all. */
  most?: number;
}

/** Longer texts may break at any place. */
const LONG = 40;

interface Order {
  column: number;
  isDescending: boolean;
}

export function Table<Row>(props: TableProps<Row>) {
  const { caption, columns, rows, actions, isSortable = false } = props;
  const [order, setOrder] = useState<Order | null>(null);
  const [showsAll, setShowsAll] = useState(false);
  const sorted = order === null ? rows : sortRows(rows, columns[order.column], order.isDescending);
  const shown = showsAll || props.most === undefined ? sorted : sorted.slice(0, props.most);
  const hasTotals = columns.some((column) => column.total !== undefined);
  return (
    <div class="table-box">
      <div class="table-scroll" role="region" aria-label={caption} tabIndex={0}>
        <table>
          <caption class="only-read">{caption}</caption>
          <thead>
            <tr>
              {columns.map((column, index) => (
                <Heading
                  key={column.title}
                  column={column}
                  order={order?.column === index ? order : null}
                  onSort={isSortable ? () => setOrder(nextOrder(order, index, column.kind)) : undefined}
                />
              ))}
              {actions !== undefined && (
                <th scope="col">
                  <span class="only-read">Actions</span>
                </th>
              )}
            </tr>
          </thead>
          <Body {...props} rows={shown} all={rows} />
          {hasTotals && <Totals {...props} />}
        </table>
      </div>
      <div class="table-foot">
        {shown.length < rows.length && (
          <Button kind="quiet" onClick={() => setShowsAll(true)}>
            Show all {count(rows.length)} rows
          </Button>
        )}
        {props.file !== undefined && rows.length > 0 && (
          <Button kind="quiet" label={`Save “${caption}” as CSV`} onClick={() => save(props, sorted)}>
            CSV
          </Button>
        )}
      </div>
    </div>
  );
}

function Heading<Row>(props: { column: Column<Row>; order: Order | null; onSort: (() => void) | undefined }) {
  const { column, order, onSort } = props;
  const sort = order === null ? undefined : order.isDescending ? "descending" : "ascending";
  return (
    <th scope="col" class={column.kind} aria-sort={sort}>
      {onSort === undefined ? (
        column.title
      ) : (
        <button type="button" class="sort" onClick={onSort}>
          {column.title}
          <span aria-hidden="true" class="sort-mark">
            {order === null ? "" : order.isDescending ? "▾" : "▴"}
          </span>
        </button>
      )}
    </th>
  );
}

function Body<Row>(props: TableProps<Row> & { all: readonly Row[] }) {
  const places = props.columns.map((column) => placesOfColumn(column, props.all));
  return (
    <tbody>
      {props.rows.map((row) => (
        <tr key={props.rowKey(row)} data-testid={props.rowTestId}>
          {props.columns.map((column, index) => (
            <td key={column.title} class={column.kind}>
              {column.cell !== undefined ? (
                column.cell(row)
              ) : (
                <Value column={column} of={column.value(row)} places={places[index]} />
              )}
            </td>
          ))}
          {props.actions !== undefined && <td class="row-actions">{props.actions(row)}</td>}
        </tr>
      ))}
    </tbody>
  );
}

function Totals<Row>({ columns, rows, actions }: TableProps<Row>) {
  return (
    <tfoot>
      <tr data-testid="totals">
        {columns.map((column) => (
          <td key={column.title} class={column.kind}>
            {column.total !== undefined && (
              <Value column={column} of={column.total} places={placesOfColumn(column, rows)} />
            )}
          </td>
        ))}
        {actions !== undefined && <td />}
      </tr>
    </tfoot>
  );
}

function Value<Row>(props: { column: Column<Row>; of: string | number | Nano | null; places: number | undefined }) {
  const { of: value } = props;
  if (typeof value === "bigint") return <Money amount={value} places={props.places ?? 2} />;
  if (value === null && props.column.kind === "money") return <Money amount={null} />;
  if (value === null) return <span class="muted">–</span>;
  if (typeof value === "number") return <>{count(value)}</>;
  if (props.column.kind === "time") return <Time at={value} />;
  return value.length > LONG ? <span class="long-text">{value}</span> : <>{value}</>;
}

/** The decimal places that show every amount of a column exactly. */
function placesOfColumn<Row>(column: Column<Row>, rows: readonly Row[]): number {
  if (column.kind !== "money") return 0;
  const amounts = [...rows.map((row) => column.value(row)), column.total];
  return amounts.reduce<number>(
    (most, amount) => (typeof amount === "bigint" ? Math.max(most, placesOf(amount)) : most),
    2,
  );
}

function nextOrder(before: Order | null, column: number, kind: Column<never>["kind"]): Order {
  if (before?.column === column) return { column, isDescending: !before.isDescending };
  return { column, isDescending: kind !== "text" };
}

function sortRows<Row>(rows: readonly Row[], column: Column<Row> | undefined, isDescending: boolean): readonly Row[] {
  if (column === undefined) return rows;
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(column.value(a), column.value(b)));
}

function compare(a: string | number | bigint | null, b: string | number | bigint | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? -1 : 1;
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function save<Row>({ columns, file = "table" }: TableProps<Row>, rows: readonly Row[]): void {
  const header = columns.map((column) => column.title);
  const cells = rows.map((row) => columns.map((column): Cell => asCell(column.value(row))));
  download(`${file}.csv`, toCsv(header, cells));
}

function asCell(value: string | number | bigint | null): Cell {
  if (typeof value === "bigint") return { number: exact(value) };
  return typeof value === "number" ? { number: String(value) } : value;
}
