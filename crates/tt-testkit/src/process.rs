//! A program under test as a child process: started on a free port with a data directory of its own, killed when the
//! test ends.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::{Client, Trust};

/// The time that a start or an orderly end may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time between two looks at a child that was told to end.
const TICK: Duration = Duration::from_millis(10);

/// The settings of a [`Program`] that is to be started.
#[derive(Debug)]
#[must_use]
pub struct Launch {
    binary: PathBuf,
    arguments: Vec<String>,
    environment: BTreeMap<String, String>,
    data: Option<PathBuf>,
    stderr_unread: bool,
    trust: Option<Trust>,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    child: Child,
    address: String,
    data: PathBuf,
    /// Removed with the program, where it is the test's own.
    _own_data: Option<tempfile::TempDir>,
    errors: Arc<Mutex<String>>,
    /// The standard error, while nobody reads it.
    unread: Option<ChildStderr>,
    /// Closed when the standard error has been read to its end.
    errors_end: Receiver<()>,
    lines: Receiver<String>,
    trust: Option<Trust>,
}

impl Launch {
    /// `binary` is the path of the built program: `env!("CARGO_BIN_EXE_tokentracer")`.
    pub fn new(binary: impl AsRef<OsStr>) -> Self {
        Self {
            binary: PathBuf::from(binary.as_ref()),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            data: None,
            stderr_unread: false,
            trust: None,
        }
    }

    /// One more argument.
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A variable of its environment, which is otherwise empty but for `PATH`, `PORT=0` and `DATA_DIR`.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// A data directory that outlives the program, for a test that starts it twice. Otherwise it gets a fresh one.
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data = Some(directory.into());
        self
    }

    /// Leaves its standard error, a pipe that is soon full, unread until [`Program::read_stderr`].
    pub fn stderr_unread(mut self) -> Self {
        self.stderr_unread = true;
        self
    }

    /// Expects it to speak TLS, and has its clients do so in this way.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Starts it and waits for its first line, `listening on http://ADDRESS`.
    ///
    /// # Panics
    /// If that line does not come. The message holds the program's standard error.
    pub fn start(self) -> Program {
        let what = self.binary.display().to_string();
        self.try_start().unwrap_or_else(|problem| panic!("{what} did not start: {problem}"))
    }

    /// Starts the program. The error holds its exit status and its standard error.
    pub fn try_start(self) -> Result<Program, String> {
        let (own, data) = match self.data.clone() {
            Some(data) => (None, data),
            None => {
                let own = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
                let path = own.path().to_path_buf();
                (Some(own), path)
            }
        };
        let mut command = self.command(&data);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let unread = child.stderr.take();
        let (send, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    // Reading goes on even when the test does not take the lines, so that the program never blocks on a
                    // full pipe.
                    let _ = send.send(line);
                }
            });
        }
        let mut program = Program {
            child,
            address: String::new(),
            data,
            _own_data: own,
            errors: Arc::default(),
            unread,
            errors_end: mpsc::channel().1,
            lines,
            trust: self.trust.clone(),
        };
        if !self.stderr_unread {
            program.read_stderr();
        }
        let line = match program.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(format!("it said nothing: {}", program.stderr())),
            Err(RecvTimeoutError::Disconnected) => {
                let status = program.wait();
                // A moment for what it wrote last; a child of its own may hold the pipe open for longer.
                let _ = program.errors_end.recv_timeout(Duration::from_secs(1));
                return Err(format!("{status}: {}", program.stderr()));
            }
        };
        let scheme = program.scheme();
        match line.strip_prefix(&format!("listening on {scheme}://")) {
            Some(address) => program.address = address.trim().to_owned(),
            None => return Err(format!("its first line was {line:?}: {}", program.stderr())),
        }
        Ok(program)
    }

    /// Runs it to its end, for commands that do not serve. One that still runs after a minute is killed.
    ///
    /// # Panics
    /// If the program cannot be started.
    pub fn output(self) -> std::process::Output {
        let own = tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"));
        let data = self.data.clone().unwrap_or_else(|| own.path().to_path_buf());
        let child = self.command(&data).spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()));
        let (id, (ended, end)) = (child.id(), mpsc::channel::<()>());
        std::thread::scope(|scope| {
            scope.spawn(move || {
                if end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                    // It may have ended just now.
                    let _sent = Command::new("kill").args(["-KILL", &id.to_string()]).status();
                }
            });
            let output = child.wait_with_output();
            drop(ended);
            output.unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()))
        })
    }

    fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).env_clear().env("PORT", "0").env("DATA_DIR", data);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(&self.environment).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn collect(mut stderr: impl Read, into: &Mutex<String>) {
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        let text = String::from_utf8_lossy(buffer.get(..n).unwrap_or_default()).into_owned();
        into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
    }
}

impl Program {
    /// A launch of `binary`, to be completed with settings.
    pub fn launch(binary: impl AsRef<OsStr>) -> Launch {
        Launch::new(binary)
    }

    /// The program's address, `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The program's address as a URL, `http://host:port`, or `https://…` where it speaks TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address)
    }

    fn scheme(&self) -> &'static str {
        if self.trust.is_some() { "https" } else { "http" }
    }

    /// A client of the program, without credentials.
    pub fn client(&self) -> Client {
        match &self.trust {
            Some(trust) => Client::secure(self.url(), trust),
            None => Client::new(self.url()),
        }
    }

    /// The program's data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The program's standard error so far.
    pub fn stderr(&self) -> String {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins to read a standard error that was left unread.
    pub fn read_stderr(&mut self) {
        let Some(stderr) = self.unread.take() else { return };
        let (open, end) = mpsc::channel();
        let into = Arc::clone(&self.errors);
        std::thread::spawn(move || {
            collect(stderr, &into);
            drop(open);
        });
        self.errors_end = end;
    }

    /// The next line of its standard output after the first, if one comes in time.
    pub fn next_line(&self, most: Duration) -> Option<String> {
        self.lines.recv_timeout(most).ok()
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by its name without `SIG`.
    ///
    /// # Panics
    /// If the signal cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|status| status.success()), "no SIG{name} could be sent to {}", self.child.id());
    }

    /// Ends it at once (SIGKILL), as a crash does.
    pub fn kill(&mut self) -> ExitStatus {
        // It may have ended already.
        let _ = self.child.kill();
        self.wait()
    }

    /// Waits until the program has ended; returns its exit status.
    ///
    /// # Panics
    /// If it has not ended within a minute.
    pub fn wait(&mut self) -> ExitStatus {
        let Some(status) = self.wait_for(PATIENCE) else {
            let _ = self.child.kill();
            panic!("the program did not end within {PATIENCE:?}: {}", self.stderr());
        };
        status
    }

    /// The exit status, if the program ends within `most`.
    pub fn wait_for(&mut self, most: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + most;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < until => std::thread::sleep(TICK),
                Ok(None) => return None,
                Err(error) => panic!("the program cannot be waited for: {error}"),
            }
        }
    }

    /// True if the program is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- standard error of {}:\n{}", self.child.id(), self.stderr());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Launch {
        Program::launch("/bin/sh").argument("-c").argument(script)
    }

    #[test]
    fn the_address_is_read_from_the_first_line() {
        let mut program = shell("echo listening on http://127.0.0.1:7; echo more; exec sleep 600").start();
        assert_eq!((program.address(), program.url().as_str()), ("127.0.0.1:7", "http://127.0.0.1:7"));
        assert_eq!(program.next_line(PATIENCE).as_deref(), Some("more"));
        assert!(program.is_running());
        assert!(!program.kill().success());
    }

    #[test]
    fn a_program_that_ends_at_once_says_why() {
        let problem = shell("echo no such database >&2; exit 3").try_start().unwrap_err();
        assert!(problem.contains("no such database") && problem.contains('3'), "{problem}");
        let problem = shell("echo hello; exec sleep 600").try_start().unwrap_err();
        assert!(problem.contains("hello"), "{problem}");
    }

    #[test]
    fn it_sees_its_own_environment_only_and_ends_when_asked() {
        let script = "trap 'exit 7' TERM; echo listening on http://$HOST:$PORT; echo \"${HOME-unset} $DATA_DIR\"; while :; do sleep 0.01; done";
        let mut program = shell(script).env("HOST", "h").start();
        assert_eq!(program.address(), "h:0");
        let second = program.next_line(PATIENCE).unwrap();
        assert_eq!(second, format!("unset {}", program.data_dir().display()));
        program.terminate();
        assert_eq!(program.wait().code(), Some(7));
    }

    #[test]
    fn its_own_data_directory_goes_with_it_and_a_given_one_stays() {
        let given = tempfile::tempdir().unwrap();
        let script = "echo listening on http://x; exec sleep 600";
        let kept = shell(script).data_dir(given.path()).start();
        let own = shell(script).start();
        let path = own.data_dir().to_path_buf();
        assert!(path.is_dir());
        drop((kept, own));
        assert!(!path.exists() && given.path().exists());
    }
}
