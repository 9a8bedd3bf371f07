//! `cargo xtask dist`: the archive that is installed from, with its SHA-256.
//!
//! It holds the program, stripped, its manual pages and completions, a unit of systemd, manifests of Kubernetes, the settings
//! with their defaults, the licence, and the licences of everything that is in the program.

mod licences;
mod profile_guided;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::env;
use crate::run::{
    Outcome, cargo_command, empty_directory, metadata, output, profile_directory, status, target_directory,
};

/// The files that are copied: each with its place in the archive.
const FILES: [(&str, &str); 7] = [
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("LICENSE", "LICENSE"),
    (".env.example", "tokentracer.env.example"),
    ("deploy/systemd/tokentracer.service", "systemd/tokentracer.service"),
    ("deploy/kubernetes/README.md", "kubernetes/README.md"),
    ("docker/compose.yaml", "docker/compose.yaml"),
];

/// The shells that get completions, with the names under which they look for them.
const SHELLS: [(&str, &str); 3] = [("bash", "tokentracer"), ("zsh", "_tokentracer"), ("fish", "tokentracer.fish")];

/// Builds the program and packs it. Arguments: `--profile NAME`, for a profile other than `release`, and `--profile-guided`
/// for a program that the compiler has laid out by what the loads of the benchmark make it do.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let target = target_directory()?;
    let program = if options.guided {
        profile_guided::build(&options.profile, &host()?)?
    } else {
        let mut build =
            cargo_command(&["build", "--locked", "--package", "tokentracer", "--bin", "tokentracer", "--profile"]);
        status(build.arg(&options.profile))?;
        target.join(profile_directory(&options.profile)).join("tokentracer")
    };
    let name = format!("tokentracer-{}-{}", version()?, host()?);
    let dist = target.join("dist");
    let place = empty_directory(dist.join(&name))?;
    fill(&place, &program)?;
    let archive = pack(&dist, &name)?;
    println!("{}", archive.display());
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Options {
    profile: String,
    guided: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self { profile: "release".to_owned(), guided: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match (argument.as_str(), rest.as_slice()) {
                ("--profile-guided", _) => options.guided = true,
                ("--profile", [name, ..]) => {
                    options.profile = name.clone();
                    rest.next();
                }
                _ => return Err("it takes --profile NAME, --profile-guided, or nothing".to_owned()),
            }
        }
        Ok(options)
    }
}

/// Puts everything in its place.
fn fill(place: &Path, program: &Path) -> Outcome {
    let bin = directory(place, "bin")?;
    let installed = bin.join("tokentracer");
    copy(program, &installed)?;
    // A profile that strips has done so already, and a system without `strip` keeps the symbols.
    if Command::new("strip").arg(&installed).status().is_err() {
        println!("there is no strip here: the program keeps its symbols");
    }
    for (from, to) in FILES {
        let to = place.join(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(|error| problem(parent, &error))?;
        }
        copy(Path::new(from), &to)?;
    }
    for entry in fs::read_dir("deploy/kubernetes").map_err(|error| problem(Path::new("deploy/kubernetes"), &error))? {
        let from = entry.map_err(|error| problem(Path::new("deploy/kubernetes"), &error))?.path();
        if let Some(name) = from.file_name().filter(|_| from.extension().is_some_and(|extension| extension == "yaml")) {
            copy(&from, &place.join("kubernetes").join(name))?;
        }
    }
    output(Command::new(&installed).arg("man").arg(directory(place, "man/man1")?))?;
    let completions = directory(place, "completions")?;
    for (shell, name) in SHELLS {
        write(&completions.join(name), &output(Command::new(&installed).args(["completions", shell]))?)?;
    }
    write(&place.join("THIRD-PARTY-LICENSES.txt"), &licences::text(&host()?)?)
}

/// Packs the directory `name` of `dist`, the same files into the same bytes, and writes the SHA-256 of the archive beside it.
fn pack(dist: &Path, name: &str) -> Result<PathBuf, String> {
    let file = format!("{name}.tar.gz");
    let mut tar = Command::new("tar");
    tar.current_dir(dist);
    if is_gnu_tar() {
        let epoch = env::variable("SOURCE_DATE_EPOCH").unwrap_or_else(|| "0".to_owned());
        tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", &format!("--mtime=@{epoch}")]);
    }
    status(tar.args(["-czf", &file, name])).map_err(|_| "tar failed".to_owned())?;
    let mut sums = Command::new("sha256sum");
    let sum = output(sums.current_dir(dist).arg(&file))
        .or_else(|_| output(Command::new("shasum").current_dir(dist).args(["-a", "256", &file])))?;
    write(&dist.join(format!("{file}.sha256")), &sum)?;
    Ok(dist.join(file))
}

fn is_gnu_tar() -> bool {
    output(Command::new("tar").arg("--version")).is_ok_and(|text| text.contains("GNU"))
}

/// The version of the program.
fn version() -> Result<String, String> {
    let metadata = metadata()?;
    let packages = metadata.get("packages").and_then(serde_json::Value::as_array).map_or(&[][..], Vec::as_slice);
    let own = packages.iter().find(|package| package["name"] == "tokentracer");
    let version = own.and_then(|package| package["version"].as_str());
    version.map(str::to_owned).ok_or_else(|| "cargo metadata names no version".to_owned())
}

/// The system that is built for.
fn host() -> Result<String, String> {
    let told = output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc names no host".to_owned())
}

fn directory(place: &Path, name: &str) -> Result<PathBuf, String> {
    let path = place.join(name);
    fs::create_dir_all(&path).map_err(|error| problem(&path, &error))?;
    Ok(path)
}

fn copy(from: &Path, to: &Path) -> Outcome {
    fs::copy(from, to).map(drop).map_err(|error| problem(from, &error))
}

fn write(path: &Path, text: &str) -> Outcome {
    fs::write(path, text).map_err(|error| problem(path, &error))
}

fn problem(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let parse = |arguments: &[&str]| {
            Options::parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
        };
        let options = |profile: &str, guided| Ok(Options { profile: profile.to_owned(), guided });
        assert_eq!(parse(&[]), options("release", false));
        assert_eq!(parse(&["--profile-guided", "--profile", "quick"]), options("quick", true));
        assert!(parse(&["--profile"]).is_err() && parse(&["--fast"]).is_err());
    }
}
