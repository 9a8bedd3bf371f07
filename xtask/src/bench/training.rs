//! The loads of the benchmark, by which a build learns what the program does most.

use std::path::Path;

use super::bed::{Bed, TOKENTRACER};
use super::databases::Databases;
use super::measure::measure;
use super::shape::{OF_OTHER_APIS, SHAPES};
use crate::run::Outcome;

/// The time for each load, in milliseconds.
const MILLIS: u64 = 1500;

/// Puts every load on `program`, which counts what it executes and writes that into `counts` when it ends: on SQLite first,
/// then on PostgreSQL and Redis.
pub(crate) fn train(mock: &Path, program: &Path, counts: &Path) -> Outcome {
    // `%p` is the id of the process: the command line of the program writes a file of its own.
    let counts = ("LLVM_PROFILE_FILE", counts.join("%p.profraw").display().to_string());
    put_all_loads_on(Bed::start(mock, program, 0, std::slice::from_ref(&counts))?)?;
    let databases = Databases::start()?;
    let settings = [databases.settings(), vec![counts]].concat();
    put_all_loads_on(Bed::start(mock, program, 0, &settings)?)
}

fn put_all_loads_on(mut bed: Bed) -> Outcome {
    if let Some(program) = bed.targets.get(TOKENTRACER) {
        for shape in SHAPES.into_iter().chain(OF_OTHER_APIS) {
            for connections in shape.connections {
                let taken = measure(&bed, program, shape, *connections, MILLIS)?;
                println!("{}, {connections} connections: {:.0} requests a second", shape.name, taken.per_second);
            }
        }
    }
    bed.stop_tokentracer();
    Ok(())
}
