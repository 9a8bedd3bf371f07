//! `tokentracer budgets`: releases the money that a process reserved for its requests when that process died and its
//! journal is lost, so that nothing will ever settle those requests.

use std::io::Write;

use clap::{Arg, ArgMatches, Command};
use tokio::runtime::Handle;
use tt_core::Email;
use tt_ratelimit::Budgets;
use uuid::Uuid;

use crate::config::Config;
use crate::store::{explain, installation, open_existing};

/// The command line.
pub(crate) fn command() -> Command {
    let email = Arg::new("email").value_name("EMAIL").required(true).help("The email address of the user");
    let about = "Release what ended processes have reserved of a user's budgets";
    Command::new("budgets")
        .about("Repair budgets")
        .subcommand_required(true)
        .subcommand(Command::new("clear").about(about).arg(email))
}

/// Runs the subcommand in `matches`. Errors are one line each.
pub(crate) async fn run(config: &Config, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let Some(("clear", matches)) = matches.subcommand() else {
        return Err("budgets: a subcommand is missing".to_owned());
    };
    let text = matches.get_one::<String>("email").map(String::as_str).unwrap_or_default();
    let email = Email::parse(text).map_err(|invalid| invalid.to_string())?;
    let Some(redis) = &config.redis else {
        return Err(
            "REDIS_URL is not set: only a running server reserves budgets, in its memory, so there is nothing to clear"
                .to_owned(),
        );
    };
    let store = open_existing(config, control).await?;
    let user = store.user_by_email(email.clone()).await.map_err(|error| explain(&error))?;
    let installation = installation(&store).await?;
    store.close();
    let user = user.ok_or_else(|| format!("there is no user {email}"))?;
    let redis = redis.clone().of_installation(&installation);
    let budgets = Budgets::redis(redis, &Uuid::now_v7().to_string(), control);
    let cleared = budgets.expire(user.id).await;
    let cleared = cleared.ok_or("REDIS_URL: Redis does not answer, or has just lost its data")?;
    writeln!(std::io::stdout(), "released what {cleared} requests of ended processes had reserved of {email}'s budgets")
        .map_err(|error| format!("standard output: {error}"))
}
