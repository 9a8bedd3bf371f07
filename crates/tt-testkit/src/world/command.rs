//! Commands of the program that run to their end.

use crate::process::Launch;

/// The exit code and the output of a command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl From<Launch> for Ran {
    fn from(launch: Launch) -> Self {
        let output = launch.output();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    /// The same, where it ended with this exit code.
    ///
    /// # Panics
    /// If the command ended with another exit code. The message holds its output.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{} {}", self.out, self.err);
        self
    }
}
