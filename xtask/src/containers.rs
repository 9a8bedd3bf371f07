//! `up`, `down`, `logs` and `docker-build`: docker compose on `docker/compose.yaml`, which reads its
//! settings from `docker/.env`.

use std::process::{Command, Stdio};

use crate::run::{Outcome, status};

const FILE: &str = "docker/compose.yaml";
const IMAGE: &str = "tokentracer:local";

/// Starts the databases and waits until they are healthy; with `--profile app` (or `COMPOSE_PROFILES=app`) the program
/// too. Other arguments go to `docker compose up`.
pub(crate) fn up(arguments: &[String]) -> Outcome {
    let (profile, rest) = match arguments {
        [flag, name, rest @ ..] if flag == "--profile" => (Some(name), rest),
        all => (None, all),
    };
    let mut command = compose()?;
    if let Some(name) = profile {
        command.args(["--profile", name]);
    }
    status(command.args(["up", "--detach", "--wait"]).args(rest))
}

/// Stops everything, the program included. The volumes stay unless `--volumes` is given.
pub(crate) fn down(arguments: &[String]) -> Outcome {
    status(compose()?.args(["--profile", "*", "down"]).args(arguments))
}

/// Follows what the containers log.
pub(crate) fn logs(arguments: &[String]) -> Outcome {
    status(compose()?.args(["--profile", "*", "logs", "--follow", "--tail", "100"]).args(arguments))
}

/// Builds the image; arguments go to `docker build`.
pub(crate) fn build(arguments: &[String]) -> Outcome {
    docker()?;
    let mut command = Command::new("docker");
    // The cache mounts of the Dockerfile are BuildKit's.
    command.env("DOCKER_BUILDKIT", "1").args(["build", "--file", "docker/Dockerfile", "--tag", IMAGE]);
    status(command.args(arguments).arg("."))
}

fn docker() -> Outcome {
    if answers(&["version", "--format", "{{.Server.Version}}"])? {
        return Ok(());
    }
    Err("the Docker engine does not answer: start it, or see docker version for why".to_owned())
}

fn compose() -> Result<Command, String> {
    if !answers(&["compose", "version"])? {
        return Err("docker has no compose: install the plugin docker-compose-plugin".to_owned());
    }
    docker()?;
    let mut command = Command::new("docker");
    command.args(["compose", "--file", FILE]);
    Ok(command)
}

/// True if `docker` takes these arguments. An error where there is no such program.
fn answers(arguments: &[&str]) -> Result<bool, String> {
    let asked = Command::new("docker").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match asked {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err("there is no docker here: install Docker with its compose plugin".to_owned())
        }
        Err(error) => Err(format!("docker: {error}")),
    }
}
