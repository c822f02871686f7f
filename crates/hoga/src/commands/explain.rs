//! `hoga explain`: what a pipeline file computes, as a tree for each table that it writes.

use crate::cli::ExplainArgs;
use crate::failure::Failure;
use hoga_engine::plan::explain::explain;

#[expect(clippy::print_stdout, reason = "the command's result")]
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let plan = super::check::plan(args.file.as_deref())?;
    print!("{}", explain(&plan.graph));
    Ok(())
}
