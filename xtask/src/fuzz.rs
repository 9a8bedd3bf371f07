//! `cargo xtask fuzz`: makes hostile inputs for the codecs with libFuzzer, a minute for each target, and keeps those that
//! it finds a fault with.
//!
//! The package `fuzz/` is a workspace of its own. It is built without a sanitizer, which would need a nightly compiler:
//! the codecs hold no unsafe code.

use std::path::{Path, PathBuf};

use crate::run::{Outcome, cargo_command, output, status, target_directory};

/// The targets, by the name of the program and of the folder of its inputs.
const TARGETS: [&str; 6] = ["requests", "schemas", "answers", "streams", "framing", "texts"];

/// The time for which each target runs unless told otherwise, in seconds.
const SECONDS: u32 = 60;

/// The longest input, in bytes. Faults that grow with the input show long before.
const LONGEST: u32 = 16 << 10;

/// The compiler flags by which libFuzzer learns what an input reaches; the same as cargo-fuzz sets.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing";

/// Builds the targets and runs those that are named, or all. `--seconds N` sets the time of each.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (chosen, seconds) = choose(arguments)?;
    let host = host()?;
    let target = target_directory()?.join("fuzz");
    // Flags are not for build scripts, which run without libFuzzer: cargo keeps them apart once a system is named.
    let manifest = ["--locked", "--manifest-path", "fuzz/Cargo.toml"];
    let mut build = cargo_command(&["build", "--release", "--target", &host]);
    build.args(manifest);
    status(build.env("RUSTFLAGS", COVERAGE).env("CARGO_TARGET_DIR", &target))?;
    let programs = target.join(&host).join("release");
    for name in chosen {
        println!("--- {name}, {seconds} s");
        fuzz(&programs.join(name), name, &target, seconds)?;
    }
    Ok(())
}

/// Runs one target. The inputs that reach something new stay among the build's files, for the next run.
fn fuzz(program: &Path, name: &str, target: &Path, seconds: u32) -> Outcome {
    let kept = target.join("corpus").join(name);
    let fixed = PathBuf::from("crates/tt-providers/fixtures/fuzz").join(name);
    std::fs::create_dir_all(&kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    let mut command = std::process::Command::new(program);
    command.args([&kept, &fixed]);
    // A fault is written where the tests run it from then on.
    command.arg(format!("-artifact_prefix={}/", fixed.display()));
    command.args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}")]);
    command.args(["-print_final_stats=1", "-verbosity=0", "-rss_limit_mb=4096"]);
    status(&mut command)
        .map_err(|problem| format!("{problem}{name} found a fault: its input is in {}", fixed.display()))
}

/// The system that rustc builds for, as it names it.
fn host() -> Result<String, String> {
    let facts = output(std::process::Command::new("rustc").arg("-vV"))?;
    let host = facts.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// The targets named, and the time of each in seconds.
fn choose(arguments: &[String]) -> Result<(Vec<&'static str>, u32), String> {
    let (mut chosen, mut seconds) = (Vec::new(), SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            seconds = number.ok_or("--seconds wants a number")?;
            continue;
        }
        let known = TARGETS.into_iter().find(|target| target == argument);
        chosen.push(known.ok_or_else(|| format!("{argument} is none of {}", TARGETS.join(", ")))?);
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    Ok((chosen, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_their_time_are_chosen() {
        let choose = |words: &[&str]| choose(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(choose(&[]), Ok((TARGETS.to_vec(), SECONDS)));
        assert_eq!(choose(&["streams", "--seconds", "5"]), Ok((vec!["streams"], 5)));
        for wrong in [&["--seconds"][..], &["--seconds", "x"], &["other"]] {
            assert!(choose(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn each_target_is_a_program_of_the_package() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let manifest = std::fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
        for target in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
