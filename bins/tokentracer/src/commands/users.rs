//! `tokentracer users`: lists and changes users, with a server running on the database or without one. A running server
//! follows a change within seconds.

use std::io::Write;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgGroup, ArgMatches, Command};
use tokio::runtime::Handle;
use tt_core::{Email, Role};
use tt_http::now;
use tt_store::{Store, User, UserPatch};

use crate::config::Config;
use crate::store::{explain, open_existing};

/// The number of users that are read from the store at once.
const PAGE: u32 = 500;

/// The command line.
pub(crate) fn command() -> Command {
    let of_one = |name, about| {
        let email = Arg::new("email").value_name("EMAIL").required(true).help("The email address of the user");
        Command::new(name).about(about).arg(email)
    };
    let limit = |name, help| {
        let number = RangedU64ValueParser::<u64>::new().range(..=i64::MAX.unsigned_abs());
        Arg::new(name).long(name).value_name("REQUESTS").value_parser(number).help(help)
    };
    Command::new("users")
        .about("List and change users")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Print a line for each user"))
        .subcommand(of_one("promote", "Make a user an administrator"))
        .subcommand(
            of_one("limit", "Set a user's own request limits")
                .arg(limit("minute", "Requests in any 60 seconds; 0 = the server's default"))
                .arg(limit("day", "Requests in a UTC day; 0 = the server's default"))
                .group(ArgGroup::new("limits").args(["minute", "day"]).multiple(true).required(true)),
        )
        .subcommand(of_one("disable", "Refuse a user's sessions, keys and new logins"))
        .subcommand(of_one("enable", "Let a disabled user in again"))
}

/// Runs the subcommand in `matches`. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let store = open_existing(config, control).await?;
    let result = match matches.subcommand() {
        Some(("list", _)) => list(&store).await,
        Some((name, matches)) => change(&store, name, matches).await,
        None => Err("users: a subcommand is missing".to_owned()),
    };
    store.close();
    result
}

async fn list(store: &Store) -> Result<(), String> {
    print("id\temail\trole\tstate\tper minute\tper day\tcreated")?;
    let mut after = None;
    loop {
        let page = store.users(after, PAGE).await.map_err(|error| explain(&error))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for user in &page {
            print(&line(user))?;
        }
    }
}

async fn change(store: &Store, name: &str, matches: &ArgMatches) -> Result<(), String> {
    let limit = |name: &str| matches.try_get_one::<u64>(name).ok().flatten().copied();
    let patch = match name {
        "promote" => UserPatch { role: Some(Role::Admin), ..UserPatch::default() },
        "limit" => {
            UserPatch { rate_limit_minute: limit("minute"), rate_limit_daily: limit("day"), ..UserPatch::default() }
        }
        "disable" => UserPatch { disabled: Some(true), ..UserPatch::default() },
        "enable" => UserPatch { disabled: Some(false), ..UserPatch::default() },
        _ => return Err(format!("users: there is no subcommand {name}")),
    };
    let text = matches.get_one::<String>("email").map(String::as_str).unwrap_or_default();
    let email = Email::parse(text).map_err(|invalid| invalid.to_string())?;
    let user = store.user_by_email(email.clone()).await.map_err(|error| explain(&error))?;
    let user = user.ok_or_else(|| format!("there is no user {email}"))?;
    let changed = store.update_user(user.id, patch, now()).await.map_err(|error| explain(&error))?;
    print(&line(&changed))
}

/// The line of a user. Tabs separate the fields; no email address holds a tab.
fn line(user: &User) -> String {
    let state = if user.disabled { "disabled" } else { "active" };
    let limit = |own: u64| if own == 0 { "default".to_owned() } else { own.to_string() };
    [
        user.id.to_string(),
        user.email.to_string(),
        user.role.as_str().to_owned(),
        state.to_owned(),
        limit(user.limits.minute),
        limit(user.limits.day),
        user.created_at.rfc3339(),
    ]
    .join("\t")
}

fn print(line: &str) -> Result<(), String> {
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))
}
