//! `tokentracer prices update FILE`: shows what a newer price table changes, and, when it is told to, puts the table into
//! the data directory and prices recorded requests again by it. Prices are never fetched.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Command};
use tokio::runtime::Handle;
use tt_core::price::{Listed, ModelChange, PicoPerToken, PriceTable};
use tt_core::{NanoUsd, Provider, Timestamp};
use tt_store::{Action, Author, Rerate, Store};

use crate::config::Config;
use crate::prices;
use crate::store::{explain, open_existing};

/// The number of requests that are priced again in one transaction.
const STEP: u32 = 500;

/// The command line.
pub(crate) fn command() -> Command {
    let time = |name: &'static str, help| Arg::new(name).long(name).value_name("TIME").help(help);
    let update = Command::new("update")
        .about("Show what a price table changes; with --apply, use it from the next start on")
        .arg(Arg::new("file").value_name("FILE").required(true).help("The price table, as `prices.json` has it"))
        .arg(time("rerate-from", "Price recorded requests again too, from then on: RFC 3339, or a date in UTC"))
        .arg(time("rerate-to", "Only requests before then [default: now]").requires("rerate-from"))
        .arg(
            Arg::new("apply").long("apply").action(ArgAction::SetTrue).help("Do it; without this flag nothing changes"),
        );
    Command::new("prices").about("Update the price table").subcommand_required(true).subcommand(update)
}

/// Runs the subcommand in `matches`. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(("update", matches)) = matches.subcommand() else {
        return Err("prices: a subcommand is missing".to_owned());
    };
    let now = tt_http::now();
    let time = |name: &'static str| {
        let given = matches.get_one::<String>(name);
        given.map(|text| Timestamp::parse(name, text)).transpose().map_err(|invalid| format!("--{invalid}"))
    };
    let (from, to) = (time("rerate-from")?, time("rerate-to")?.unwrap_or(now));
    let apply = matches.get_flag("apply");
    let file = matches.get_one::<String>("file").map(String::as_str).unwrap_or_default();
    let (text, new) = prices::read(Path::new(file))?;
    let old = prices::in_force(&config.data_dir)?;
    if new.as_of() < old.as_of() {
        return Err(format!("{file} is of {}, and the table in force of {}", new.as_of(), old.as_of()));
    }
    let mut out = Lines::default();
    out.line(format_args!("from {} to {}", old.version(), new.version()));
    old.changes_to(&new, now).iter().for_each(|change| out.change(change));
    if let Some(from) = from {
        let store = open_existing(config, control).await?;
        let priced = rerate(&store, &new, (from, to), apply).await;
        store.close();
        priced?.into_iter().for_each(|(model, costs)| out.costs(&model, &costs));
    }
    if apply {
        let path = prices::install(&config.data_dir, &text)?;
        out.line(format_args!("{} holds from the next start of the server on", path.display()));
    } else {
        out.line("nothing has been changed: --apply does it");
    }
    io::stdout().write_all(out.0.as_bytes()).map_err(|error| format!("standard output: {error}"))
}

/// A model by its provider and name, as requests were sent to it.
type Model = (Option<Provider>, Option<String>);

/// The costs of some requests.
#[derive(Debug, Default)]
struct Costs {
    requests: u64,
    before: NanoUsd,
    after: NanoUsd,
}

/// Prices the requests of a span of time by `table` and the prices that administrators have set over it. Only with `apply`
/// anything is written.
async fn rerate(
    store: &Store,
    table: &PriceTable,
    (from, to): (Timestamp, Timestamp),
    apply: bool,
) -> Result<BTreeMap<Model, Costs>, String> {
    let failed = |error: tt_store::StoreError| explain(&error);
    let prices = Arc::new(table.with_overrides(store.price_overrides().await.map_err(failed)?));
    let (mut sums, mut after) = (BTreeMap::<Model, Costs>::new(), None);
    loop {
        let step = Rerate { from, to, after, limit: STEP, now: tt_http::now() };
        let done = if apply {
            store.rerate(Arc::clone(&prices), step).await
        } else {
            store.rerate_preview(Arc::clone(&prices), step).await
        };
        let done = done.map_err(failed)?;
        for request in done.requests {
            let sum = sums.entry((request.provider, request.model)).or_default();
            sum.requests += 1;
            sum.before = sum.before.plus(request.before.unwrap_or_default());
            sum.after = sum.after.plus(request.after.unwrap_or_default());
        }
        after = done.next;
        if after.is_none() {
            break;
        }
    }
    if apply {
        let object = format!("requests from {} to {}", from.rfc3339(), to.rfc3339());
        let by = Author::operator(tt_http::now());
        store.note_action(by, Action::PricesRerated, object, String::new()).await.map_err(failed)?;
    }
    Ok(sums)
}

/// The lines for the user.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn line(&mut self, line: impl Display) {
        self.0.push_str(&format!("{line}\n"));
    }

    fn change(&mut self, change: &ModelChange<'_>) {
        let name = |listed: &Listed<'_>| format!("{} {}", listed.provider, listed.model);
        match change {
            ModelChange::Added(new) => self.line(format_args!("added\t{}\t{}", name(new), shown(new))),
            ModelChange::Removed(old) => self.line(format_args!("removed\t{}\t{}", name(old), shown(old))),
            ModelChange::Repriced(old, new) => {
                self.line(format_args!("repriced\t{}\t{} -> {}", name(new), shown(old), shown(new)));
            }
            ModelChange::Other(new) => self.line(format_args!("other\t{}\ttiers, fees or abilities", name(new))),
        }
    }

    fn costs(&mut self, (provider, model): &Model, costs: &Costs) {
        let provider = provider.map(Provider::as_str).unwrap_or("-");
        let model = model.as_deref().unwrap_or("-");
        let Costs { requests, before, after } = costs;
        self.line(format_args!("priced\t{provider} {model}\t{requests} requests: {before} -> {after}"));
    }
}

/// The prices of the standard tier, in dollars per million tokens: input, output, read from a cache, written to one.
fn shown(listed: &Listed<'_>) -> String {
    let price = |price: Option<PicoPerToken>| price.map_or_else(|| "-".to_owned(), |price| price.to_string());
    [listed.input, listed.output, listed.cache_read, listed.cache_write_5m].map(price).join(" / ")
}
