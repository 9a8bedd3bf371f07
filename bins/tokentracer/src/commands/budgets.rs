//! `tokentracer budgets`: what an operator does about money that is held for requests nobody will settle any more.

use std::io::Write;

use clap::{Arg, ArgMatches, Command};
use tokio::runtime::Handle;
use tt_core::Email;
use tt_ratelimit::Budgets;
use uuid::Uuid;

use crate::config::Config;
use crate::wire::{explain, open_existing_store};

/// The command and its own.
pub(crate) fn command() -> Command {
    let email = Arg::new("email").value_name("EMAIL").required(true).help("Whose");
    let about = "Give back what processes that are gone for ever hold of a user's budgets";
    Command::new("budgets")
        .about("Look after budgets")
        .subcommand_required(true)
        .subcommand(Command::new("clear").about(about).arg(email))
}

/// Runs the command that `matches` names. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(("clear", matches)) = matches.subcommand() else { return Err("budgets: name what to do".to_owned()) };
    let text = matches.get_one::<String>("email").map(String::as_str).unwrap_or_default();
    let email = Email::parse(text).map_err(|invalid| invalid.to_string())?;
    let Some(redis) = &config.redis else {
        return Err("without REDIS_URL nothing is held but by the server itself: there is nothing to clear".to_owned());
    };
    let store = open_existing_store(config, control).await?;
    let user = store.user_by_email(email.clone()).await.map_err(|error| explain(&error))?;
    store.close();
    let user = user.ok_or_else(|| format!("there is no user {email}"))?;
    let budgets = Budgets::redis(redis.clone(), &Uuid::now_v7().to_string(), control);
    let gone =
        budgets.expire(user.id).await.ok_or("REDIS_URL: Redis does not answer, or has lost its data just now")?;
    writeln!(std::io::stdout(), "{gone} requests of processes that are gone hold nothing of {email}'s budgets any more")
        .map_err(|error| format!("standard output: {error}"))
}
