//! `hoga explain`: what a pipeline file computes, as a tree for each table that it writes.

use crate::cli::ExplainArgs;
use crate::failure::Failure;
use crate::output;
use hoga_engine::plan::explain::explain;

pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let plan = super::check::plan(args.file.as_deref())?;
    output::text(format_args!("{}", explain(&plan.graph)))
}
