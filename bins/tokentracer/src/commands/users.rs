//! `tokentracer users`: lists, makes, changes and deletes users, with a server running on the database or without one. A
//! running server follows a change within seconds.

use std::io::{BufRead, Write};

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tt_core::{Email, Role};
use tt_crypto::Passwords;
use tt_http::{check_password, now};
use tt_store::{Author, Store, User, UserPatch};

use crate::config::{Config, Database};
use crate::data_dir;
use crate::store::{explain, open, open_existing};

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
    let stdin = || {
        let help = "Read the password from standard input, one line; else one is made and printed";
        Arg::new("password_stdin").long("password-stdin").action(ArgAction::SetTrue).help(help)
    };
    let admin = Arg::new("admin").long("admin").action(ArgAction::SetTrue).help("Make the user an administrator");
    Command::new("users")
        .about("List, make, change and delete users")
        .subcommand_required(true)
        .subcommand(Command::new("list").about("Print a line for each user"))
        .subcommand(of_one("create", "Make a user, also where SIGNUP=closed").arg(admin).arg(stdin()))
        .subcommand(of_one("reset-password", "Set another password and end the user's sessions").arg(stdin()))
        .subcommand(of_one("delete", "Delete a user with their keys and aliases; the ledger keeps what they spent"))
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
    let store = match matches.subcommand() {
        // The first user may be made before the server's first start.
        Some(("create", _)) => {
            if matches!(config.database, Database::Sqlite(_)) {
                data_dir::make(&config.data_dir)?;
            }
            open(config, control).await?
        }
        _ => open_existing(config, control).await?,
    };
    let result = match matches.subcommand() {
        Some(("list", _)) => list(&store).await,
        Some(("create", matches)) => create(&store, matches, control).await,
        Some(("reset-password", matches)) => reset_password(&store, matches, control).await,
        Some(("delete", matches)) => delete(&store, matches).await,
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
    let user = existing(store, matches).await?;
    let changed = store.update_user(user.id, patch, Author::operator(now())).await.map_err(|error| explain(&error))?;
    print(&line(&changed))
}

async fn create(store: &Store, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let email = email(matches)?;
    let password = Password::of(matches)?;
    let hash = password.hash(control).await?;
    let id = store.create_user(email, hash, Author::operator(now())).await.map_err(|error| explain(&error))?;
    let role = matches.get_flag("admin").then_some(Role::Admin);
    let patch = UserPatch { role, ..UserPatch::default() };
    let user = store.update_user(id, patch, Author::operator(now())).await.map_err(|error| explain(&error))?;
    print(&line(&user))?;
    password.print_if_made()
}

async fn reset_password(store: &Store, matches: &ArgMatches, control: &Handle) -> Result<(), String> {
    let user = existing(store, matches).await?;
    let password = Password::of(matches)?;
    let hash = password.hash(control).await?;
    store.set_password(user.id, hash, None, Author::operator(now())).await.map_err(|error| explain(&error))?;
    print(&line(&user))?;
    password.print_if_made()
}

async fn delete(store: &Store, matches: &ArgMatches) -> Result<(), String> {
    let user = existing(store, matches).await?;
    store.delete_user(user.id, Author::operator(now())).await.map_err(|error| explain(&error))?;
    print(&line(&user))
}

/// The email address on the command line.
fn email(matches: &ArgMatches) -> Result<Email, String> {
    let text = matches.get_one::<String>("email").map(String::as_str).unwrap_or_default();
    Email::parse(text).map_err(|invalid| invalid.to_string())
}

/// The user of the email address on the command line.
async fn existing(store: &Store, matches: &ArgMatches) -> Result<User, String> {
    let email = email(matches)?;
    let user = store.user_by_email(email.clone()).await.map_err(|error| explain(&error))?;
    user.ok_or_else(|| format!("there is no user {email}"))
}

/// The password of a user.
struct Password {
    text: SecretString,
    /// It was made here, so its user must be told.
    made: bool,
}

impl Password {
    /// The line on standard input where the command line says so, else one that is made.
    fn of(matches: &ArgMatches) -> Result<Self, String> {
        if !matches.get_flag("password_stdin") {
            let text = tt_crypto::random::secret().map_err(|error| format!("the password: {error}"))?;
            return Ok(Self { text, made: true });
        }
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).map_err(|error| format!("standard input: {error}"))?;
        Self::given(&line)
    }

    /// The password on a line of standard input.
    fn given(line: &str) -> Result<Self, String> {
        let text = line.trim_end_matches(['\r', '\n']);
        check_password(text).map_err(|fault| format!("the password on standard input {fault}"))?;
        Ok(Self { text: SecretString::from(text), made: false })
    }

    async fn hash(&self, control: &Handle) -> Result<SecretString, String> {
        let passwords = Passwords::new(1, control.clone());
        let hash = passwords.hash(self.text.clone()).await.map_err(|error| format!("the password: {error}"))?;
        Ok(SecretString::from(hash))
    }

    fn print_if_made(&self) -> Result<(), String> {
        if self.made { print(&format!("password\t{}", self.text.expose_secret())) } else { Ok(()) }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_short_or_common_is_refused() {
        for (line, fault) in [("short\n", "8 to 1024 bytes"), ("12345678\r\n", "most common")] {
            assert!(Password::given(line).is_err_and(|refused| refused.contains(fault)), "{line}");
        }
        assert_eq!(Password::given("correct horse\n").unwrap().text.expose_secret(), "correct horse");
    }
}
