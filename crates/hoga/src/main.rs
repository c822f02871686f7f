//! hoga: Upbit's market data into a durable log, streaming SQL, Paimon tables, live SQL and a page, in one process.
//!
//! This file only starts: it reads the command line, runs one command and turns its result into the exit code.

#![allow(unreachable_pub, reason = "nothing is outside of a binary")]

mod allocator;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(not(feature = "cluster"))]
#[path = "cluster_absent.rs"]
mod cluster;
mod collector;
mod commands;
mod config;
mod failure;
mod output;
mod repair;
mod up;

use clap::Parser;
use cli::{Cli, Command};
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Up(args) => up::run(args),
        Command::Sql(args) => commands::sql::run(args),
        Command::Export(args) => commands::export::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Run(args) => commands::run::run(&args),
        Command::Explain(args) => commands::explain::run(&args),
        Command::Replay(args) => commands::replay::run(args),
        Command::Status(args) => commands::status::run(&args),
        Command::Collect(args) => commands::collect::run(args),
        Command::Sim(args) => commands::sim::run(args),
    }
}
