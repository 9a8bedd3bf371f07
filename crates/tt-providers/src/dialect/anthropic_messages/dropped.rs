//! The notes of an encoder on the parameters that it leaves out.

/// Parameters that are left out and without which the answer means the same, each named once.
#[derive(Debug, Default)]
pub(super) struct Dropped(pub(super) Vec<&'static str>);

impl Dropped {
    pub(super) fn note(&mut self, parameter: &'static str) {
        if !self.0.contains(&parameter) {
            self.0.push(parameter);
        }
    }
}
