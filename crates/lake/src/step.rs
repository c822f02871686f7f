//! Places where a process may die, for tests that let it die at each of them. In the product they are nothing.

#[cfg(not(test))]
pub(crate) fn step(_directory: &std::path::Path) -> crate::error::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(crate) use deaths::{die_after, step};

#[cfg(test)]
mod deaths {
    use crate::error::{LakeError, Result};
    use std::collections::HashMap;
    use std::path::{Path, PathBuf};
    use std::sync::{LazyLock, Mutex, PoisonError};

    /// By the table's folder: how many steps are left.
    static LEFT: LazyLock<Mutex<HashMap<PathBuf, usize>>> = LazyLock::new(Mutex::default);

    /// The step after the next `steps` of this table fails, and every one after that; None: none fails.
    pub(crate) fn die_after(directory: &Path, steps: Option<usize>) {
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        match steps {
            Some(steps) => drop(left.insert(directory.to_owned(), steps)),
            None => drop(left.remove(directory)),
        }
    }

    pub(crate) fn step(directory: &Path) -> Result<()> {
        let mut left = LEFT.lock().unwrap_or_else(PoisonError::into_inner);
        match left.get_mut(directory) {
            None => Ok(()),
            Some(0) => Err(LakeError::Io {
                action: "go on, the process is dead, at",
                path: directory.to_owned(),
                source: std::io::ErrorKind::Interrupted.into(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}
