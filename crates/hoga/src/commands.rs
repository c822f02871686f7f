//! The commands beside `hoga up`, one file each.

pub mod answer;
pub mod audit;
pub mod backfill;
pub mod check;
pub mod collect;
pub mod explain;
pub mod export;
pub mod page;
pub mod replay;
pub mod run;
pub mod sim;
pub mod sql;
pub mod status;
pub mod times;
