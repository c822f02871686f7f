//! Live SQL: sessions in which every table is pinned to one moment, committed rows and live rows together.

mod provider;
mod scan;
mod service;
mod system;
mod tables;

pub use service::{QueryLimits, QueryService};

#[cfg(test)]
mod tests;
