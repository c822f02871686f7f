//! Live SQL: sessions in which every table is pinned to one moment, committed rows and live rows together.

mod audit;
mod doubles;
mod early_rows;
mod first_last;
mod narrowing;
mod provider;
mod scan;
mod service;
mod system;
mod tables;

pub use service::{QueryLimits, QueryService};

use datafusion::common::DataFusionError;
use hoga_lake::LakeError;
use hoga_model::{Fault, Faulty};

/// The user's own mistakes, like a snapshot that does not exist, are told as such.
fn lake_error(error: LakeError) -> DataFusionError {
    match error.fault() {
        Fault::User => DataFusionError::Execution(error.to_string()),
        _ => DataFusionError::External(Box::new(error)),
    }
}

#[cfg(test)]
mod tests;
