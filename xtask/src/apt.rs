//! Packages of Debian for the tests that need them, installed where that changes nothing for other users.

use std::path::Path;
use std::process::Command;

use crate::run::{Outcome, number, status};

const POLICY: &str = "/usr/sbin/policy-rc.d";

/// True if this process runs as root.
pub(crate) fn is_root() -> bool {
    number(Command::new("id").arg("-u")) == Some(0)
}

/// True where packages can be installed: on Debian, as root.
pub(crate) fn can_install() -> bool {
    is_root() && Path::new("/etc/debian_version").exists()
}

/// Installs packages. Services among them are not started.
pub(crate) fn install(packages: &[&str]) -> Outcome {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q").args(arguments);
        status(&mut command).map_err(|_| format!("apt-get {} failed", arguments.join(" ")))
    };
    let quiet = NoServices::begin()?;
    let installed =
        apt(&["update"]).and_then(|()| apt(&[&["install", "--yes", "--no-install-recommends"], packages].concat()));
    drop(quiet);
    installed
}

/// A guard: while it lives, package scripts start no services. It uses Debian's own switch for that.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn begin() -> Result<Self, String> {
        use std::os::unix::fs::PermissionsExt as _;

        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")
            .and_then(|()| std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755)))
            .map_err(|error| format!("{POLICY}: {error}"))?;
        Ok(Self { ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = std::fs::remove_file(POLICY)
        {
            eprintln!("remove {POLICY} yourself, it keeps services from starting: {error}");
        }
    }
}
