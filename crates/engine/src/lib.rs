//! The embedded engine: runs the pipeline's jobs on the log, keeps their rows queryable, and commits them to the lake
//! exactly once.
//!
//! [`plan::plan_pipeline`] turns a parsed pipeline into a [`graph::Graph`]; [`flow::Flow`] runs it; [`engine::Engine`] recovers
//! it, drives it and takes its checkpoints;
//! [`query::QueryService`] answers SQL about what they made, committed or not.

pub mod bars;
pub mod checkpoint;
pub mod dead_letter;
pub mod engine;
pub mod error;
pub mod flow;
pub mod graph;
pub mod plan;
pub mod query;
pub mod records;
pub mod stats;
pub mod types;

mod decode;
mod functions;
mod operators;

pub use decode::{UnknownField, UnknownFields};
pub use engine::{Engine, EngineOptions, Recovery};
pub use error::EngineError;
pub use flow::{Flow, FlowOptions, NewFields};
pub use query::{QueryLimits, QueryService};
