//! Plans of graphs, refusals, and values of expressions.

mod graphs;
mod refusals;
mod soup;
mod values;
