//! `hoga check`: parse, resolve and plan pipeline files; every mistake with its place.

use crate::cli::CheckArgs;
use crate::failure::Failure;
use crate::output;
use crate::up::topology::{BUILT_IN_PIPELINE, BUILT_IN_PIPELINE_NAME};
use hoga_engine::graph::{NodeKind, Sink};
use hoga_engine::plan::{PipelinePlan, plan_pipeline};
use hoga_model::Fault;
use std::path::Path;

pub fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut mistakes = Vec::new();
    for file in &args.files {
        match plan(Some(file)) {
            Ok(plan) => report(file, &plan)?,
            Err(failure) if failure.exit_code() == Fault::User.exit_code() => {
                mistakes.push(failure.message().to_owned())
            }
            Err(failure) => return Err(failure),
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::user(mistakes.join("\n"))) }
}

fn report(file: &Path, plan: &PipelinePlan) -> Result<(), Failure> {
    let sinks = plan.graph.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(sink),
        _ => None,
    });
    let sinks: Vec<_> = sinks.collect();
    output::line!("{}: ok, {} tables written", file.display(), sinks.len())?;
    for sink in sinks {
        match sink {
            Sink::Lake { spec, .. } => output::line!("  {}", spec.full_name())?,
            Sink::Topic { topic, .. } => output::line!("  topic {topic}")?,
        }
    }
    Ok(())
}

/// The plan of a pipeline file, or of the built-in one.
pub fn plan(file: Option<&Path>) -> Result<PipelinePlan, Failure> {
    let (name, text) = read(file)?;
    let (pipeline, mistakes) = hoga_sql::read_pipeline(&name, &text, &variable);
    // what could be read is planned all the same: one run tells every mistake
    let planned = pipeline.as_ref().map(plan_pipeline);
    match planned {
        Some(Ok(plan)) if mistakes.is_empty() => Ok(plan),
        Some(Err(more)) => Err(Failure::user(mistakes.merged(more).to_string())),
        _ => Err(Failure::user(mistakes.to_string())),
    }
}

/// A pipeline's name in messages, and its text.
fn read(file: Option<&Path>) -> Result<(String, String), Failure> {
    Ok(match file {
        None => (BUILT_IN_PIPELINE_NAME.to_owned(), BUILT_IN_PIPELINE.to_owned()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::user(format!(
                    "cannot read the pipeline \"{}\": {error}; give the path of a .sql file",
                    path.display()
                ))
            })?;
            (path.display().to_string(), text)
        }
    })
}

/// `${NAME}` in a pipeline is the environment's; what the embedded engine decides itself has a stand-in.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().or_else(|| match name {
        // the log and the lake are this process's own; the names matter on a cluster only
        "KAFKA_BOOTSTRAP" => Some("127.0.0.1:9092".to_owned()),
        "WAREHOUSE" => Some("embedded".to_owned()),
        _ => None,
    })
}
