//! GREATEST and LEAST.

use arrow::array::{Array, ArrayRef};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_null, or, prep_null_mask_filter};
use datafusion::common::{Result, exec_datafusion_err};
use std::sync::Arc;

/// The largest, or the smallest, of each row; NULL if one of them is.
pub(crate) fn extreme(arguments: &[ArrayRef], greatest: bool) -> Result<ArrayRef> {
    let (first, rest) = arguments.split_first().ok_or_else(|| exec_datafusion_err!("nothing to choose from"))?;
    let mut chosen = Arc::clone(first);
    for next in rest {
        let better = if greatest { gt(next, &chosen)? } else { lt(next, &chosen)? };
        // a NULL wins for good
        let better = if better.null_count() > 0 { prep_null_mask_filter(&better) } else { better };
        let next_wins = or(&is_null(next)?, &better)?;
        chosen = zip(&next_wins, next, &chosen)?;
    }
    Ok(chosen)
}
