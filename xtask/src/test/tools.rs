//! Finds the servers that the tests need, and installs them where that changes nothing for other users.

use std::path::{Path, PathBuf};

use crate::apt;
use crate::run::Outcome;

/// The paths of the programs.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The PostgreSQL server.
    pub(crate) postgres: PathBuf,
    /// Makes a database cluster; from the same directory as the server.
    pub(crate) initdb: PathBuf,
    /// The Redis server.
    pub(crate) redis_server: PathBuf,
    /// True if this process runs as root. PostgreSQL refuses to run as root.
    pub(crate) root: bool,
}

impl Tools {
    /// The tools, installed first where they are missing and this is Debian, and we are root.
    pub(crate) fn find_or_install() -> Result<Self, String> {
        let root = apt::is_root();
        let missing = match Self::find(root) {
            Ok(tools) => return Ok(tools),
            Err(missing) => missing,
        };
        let names = missing.join(" ");
        if apt::can_install() {
            println!("installing {names}");
            apt::install(&missing)?;
            return Self::find(root)
                .map_err(|missing| format!("{} is still missing after the install", missing.join(" ")));
        }
        let how = if cfg!(target_os = "macos") {
            "brew install postgresql redis".to_owned()
        } else {
            format!("on Debian: sudo apt-get install {names}")
        };
        Err(format!("the tests need {names}; install it ({how}) and run them again"))
    }

    /// Installs valgrind where it is missing, as the servers are installed.
    pub(crate) fn valgrind() -> Outcome {
        let is_there = || directories().iter().any(|directory| directory.join("valgrind").is_file());
        if is_there() {
            return Ok(());
        }
        if apt::can_install() {
            println!("installing valgrind");
            apt::install(&["valgrind"])?;
        }
        if is_there() {
            Ok(())
        } else {
            Err("counting instructions needs valgrind; install it and try again".to_owned())
        }
    }

    /// The tools, or the Debian packages of those that are missing.
    fn find(root: bool) -> Result<Self, Vec<&'static str>> {
        let directories = directories();
        let servers = directories.iter().map(|directory| (directory.join("postgres"), directory.join("initdb")));
        let postgres = servers.into_iter().find(|(postgres, initdb)| postgres.is_file() && initdb.is_file());
        let redis = directories.iter().map(|directory| directory.join("redis-server")).find(|path| path.is_file());
        match (postgres, redis) {
            (Some((postgres, initdb)), Some(redis_server)) => Ok(Self { postgres, initdb, redis_server, root }),
            (postgres, redis) => {
                let mut missing = Vec::new();
                missing.extend(postgres.is_none().then_some("postgresql"));
                missing.extend(redis.is_none().then_some("redis-server"));
                Err(missing)
            }
        }
    }
}

/// The directories that are searched for servers: the search path first, then places outside of it where systems keep
/// them.
fn directories() -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut versions: Vec<PathBuf> =
        [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")]
            .iter()
            .flat_map(|(parent, bin)| {
                let entries = std::fs::read_dir(parent).into_iter().flatten().filter_map(Result::ok);
                entries
                    .map(|entry| entry.path().join(bin))
                    .filter(|path| path.join("initdb").is_file())
                    .collect::<Vec<_>>()
            })
            .collect();
    // The newest version first.
    versions.sort_by_key(|path| std::cmp::Reverse(version(path)));
    all.extend(versions);
    all.extend(
        ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin", "/usr/local/pgsql/bin"]
            .map(PathBuf::from),
    );
    all
}

/// The number in a directory's name (`/usr/lib/postgresql/15/bin`, `…/postgresql@17/bin`), 0 where there is none.
fn version(path: &Path) -> u32 {
    let name = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    let digits: String = name.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_directory() {
        assert_eq!(version(Path::new("/usr/lib/postgresql/15/bin")), 15);
        assert_eq!(version(Path::new("/opt/homebrew/opt/postgresql@17/bin")), 17);
        assert_eq!(version(Path::new("/usr/bin")), 0);
    }
}
