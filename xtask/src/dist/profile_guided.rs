//! A profile-guided build: the program is built with counters, gets the loads of the benchmark, and is built again with the
//! counts. The compiler then inlines what is executed often, and puts it apart from what is not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bench;
use crate::env::variable;
use crate::run::{cargo_command, empty_directory, output, profile_directory, status, target_directory};

/// The variable with the compiler's flags, and the character between them. Unlike `RUSTFLAGS` it allows blanks in paths.
const FLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
const BETWEEN: char = '\u{1f}';

const INSTALL: &str = "install that of the toolchain (rustup component add llvm-tools) and run it again";

/// Builds the program for `host` in `profile`; its path.
///
/// It needs an `llvm-profdata` that knows the form of the counts, as that of `rustup component add llvm-tools` does, and
/// PostgreSQL and Redis as the tests do.
pub(super) fn build(profile: &str, host: &str) -> Result<PathBuf, String> {
    let tools = merging_tools(host)?;
    if tools.is_empty() {
        return Err(format!("llvm-profdata is missing; {INSTALL}"));
    }
    let place = target_directory()?.join("profile-guided");
    let counts = empty_directory(place.join("counts"))?;
    let mock = bench::mock()?;
    let counting =
        compile(profile, host, &place.join("counting"), &format!("-Cprofile-generate={}", counts.display()))?;
    bench::train(&mock, &counting, &counts)?;
    let merged = place.join("merged.profdata");
    let merge = |tool: &PathBuf| {
        let mut merge = Command::new(tool);
        merge.arg("merge").arg("--output").arg(&merged).arg(&counts).stderr(Stdio::null());
        status(&mut merge).is_ok()
    };
    if !tools.iter().any(merge) {
        return Err(format!("no llvm-profdata here can read the counts of this compiler; {INSTALL}"));
    }
    compile(profile, host, &place.join("guided"), &format!("-Cprofile-use={}", merged.display()))
}

/// Builds the program into the directory `target` with one more flag of the compiler; its path. The flag does not count for
/// build scripts, since a target is named.
fn compile(profile: &str, host: &str, target: &Path, flag: &str) -> Result<PathBuf, String> {
    let mut command = cargo_command(&["build", "--locked", "--package", "tokentracer", "--bin", "tokentracer"]);
    command.args(["--profile", profile, "--target", host, "--target-dir"]).arg(target);
    status(command.env(FLAGS, flags_with(flag)))?;
    Ok(target.join(host).join(profile_directory(profile)).join("tokentracer"))
}

/// The compiler's flags of the environment with one more.
fn flags_with(flag: &str) -> String {
    let given = variable(FLAGS).map(|flags| flags.split(BETWEEN).map(str::to_owned).collect::<Vec<_>>());
    let plain = || variable("RUSTFLAGS").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let mut flags = given.unwrap_or_else(plain);
    flags.push(flag.to_owned());
    flags.join(&BETWEEN.to_string())
}

/// Every `llvm-profdata`: that of the toolchain first, then Debian's from the newest to the oldest, and those on the search path.
fn merging_tools(host: &str) -> Result<Vec<PathBuf>, String> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let mut places = vec![Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin")];
    let entries = std::fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let version = |path: &Path| path.file_name()?.to_str()?.strip_prefix("llvm-")?.parse::<u32>().ok();
    let mut debians: Vec<_> =
        entries.filter_map(|entry| Some((version(&entry.path())?, entry.path().join("bin")))).collect();
    debians.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    places.extend(debians.into_iter().map(|(_, path)| path));
    places.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let tools = places.into_iter().map(|place| place.join("llvm-profdata"));
    Ok(tools.filter(|tool| tool.is_file()).collect())
}
