//! House rules as checks: what each file begins with, how long it is, which room may use which.

use std::fs;
use std::path::{Path, PathBuf};

/// A file longer than this is not one thing.
const FILE_LINES_MAX: usize = 800;

/// What each room may use of the others (ARCHITECTURE.md, "Edges").
const EDGES: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("upbit", &["hoga-model"]),
    ("log", &["hoga-model"]),
    ("sql", &["hoga-model"]),
    ("lake", &["hoga-model"]),
    ("engine", &["hoga-model", "hoga-log", "hoga-sql", "hoga-lake"]),
    ("serve", &["hoga-model"]),
    ("hoga", &["hoga-model", "hoga-upbit", "hoga-log", "hoga-sql", "hoga-lake", "hoga-engine", "hoga-serve"]),
    ("xtask", &[]),
];

/// Heavy dependencies, and the rooms that may name them.
const HEAVY: [(&str, &[&str]); 4] =
    [("paimon", &["lake"]), ("datafusion", &["engine", "serve"]), ("axum", &["serve"]), ("pgwire", &["serve"])];

/// Everything that breaks a rule, one line each, with its place.
pub(crate) fn mistakes(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for (room, allowed) in EDGES {
        found.extend(edges(root, room, allowed));
    }
    let mut files = Vec::new();
    rust_files(&root.join("crates"), &mut files);
    if files.is_empty() {
        found.push("no Rust file found under crates/".to_owned());
    }
    for file in files {
        match fs::read_to_string(&file) {
            Ok(text) => found.extend(file_rules(&file, &text)),
            Err(error) => found.push(format!("{}: cannot be read: {error}", file.display())),
        }
    }
    found
}

fn edges(root: &Path, room: &str, allowed: &[&str]) -> Vec<String> {
    let manifest = root.join("crates").join(room).join("Cargo.toml");
    let table: toml::Table = match fs::read_to_string(&manifest)
        .map_err(|error| error.to_string())
        .and_then(|text| text.parse().map_err(|error| format!("{error}")))
    {
        Ok(table) => table,
        Err(error) => return vec![format!("{}: {error}", manifest.display())],
    };
    let mut found = Vec::new();
    let Some(dependencies) = table.get("dependencies").and_then(toml::Value::as_table) else { return found };
    for (name, value) in dependencies {
        if name.starts_with("hoga-") && !allowed.contains(&name.as_str()) {
            found.push(format!("{}: {room} may not use {name}", manifest.display()));
        }
        if let Some((_, rooms)) = HEAVY.iter().find(|(heavy, _)| heavy == name)
            && !rooms.contains(&room)
        {
            found.push(format!("{}: only {} may name {name}", manifest.display(), rooms.join(", ")));
        }
        if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            found.push(format!(
                "{}: {name} names its own version; versions live in the workspace's manifest",
                manifest.display()
            ));
        }
    }
    found
}

fn file_rules(file: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if !text.starts_with("//!") {
        found.push(format!("{}:1: the first line does not say what the file is", file.display()));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", file.display()));
    }
    found
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        let found = mistakes(&crate::root());
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn the_rules_find_what_breaks_them() {
        let long = format!("//! x\n{}", "\n".repeat(FILE_LINES_MAX));
        assert_eq!(file_rules(Path::new("a.rs"), "fn main() {}").len(), 1);
        assert_eq!(file_rules(Path::new("a.rs"), &long).len(), 1);
        assert!(file_rules(Path::new("a.rs"), "//! fine\n").is_empty());
        assert_eq!(edges(&crate::root(), "upbit", &[]).iter().filter(|line| line.contains("may not use")).count(), 1);
    }
}
