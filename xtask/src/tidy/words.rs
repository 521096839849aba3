//! Words that have no place in a finished file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Written in two halves, so that this file holds none of them.
const WORDS: [(&str, &str); 4] = [
    (concat!("TO", "DO"), "finish it, or leave it out"),
    (concat!("FIX", "ME"), "finish it, or leave it out"),
    (concat!("#[ign", "ore"), "a test runs or does not exist"),
    (concat!("```ign", "ore"), "an example compiles; `no_run` or `text` where it cannot"),
];
const FOLDERS: [&str; 5] = ["crates", "examples", "migrations", "xtask", "openapi"];
const ENDINGS: [&str; 5] = ["rs", "sql", "toml", "md", "json"];

pub(super) fn faults() -> Result<Vec<String>> {
    let mut faults = Vec::new();
    for folder in FOLDERS {
        look_into(Path::new(folder), &mut faults)?;
    }
    Ok(faults)
}

fn look_into(folder: &Path, faults: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        // A link leads to a folder that is looked at under its own name.
        if kind.is_dir() && entry.file_name() != "node_modules" {
            look_into(&path, faults)?;
        } else if kind.is_file()
            && path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known))
        {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            faults.extend(
                words_in(&text).map(|(line, word, why)| format!("{}:{line}: {word}: {why}", path.display())),
            );
        }
    }
    Ok(())
}

fn words_in(text: &str) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    text.lines().enumerate().flat_map(|(index, line)| {
        let found = WORDS.into_iter().filter(|(word, _)| line.contains(word));
        found.map(move |(word, why)| (index + 1, word, why)).collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::words_in;

    #[test]
    fn an_unfinished_word_is_found_with_its_line() {
        let text = format!("fn main() {{\n    // {}: more\n}}\n", concat!("TO", "DO"));
        let found = words_in(&text).map(|(line, word, _)| (line, word)).collect::<Vec<_>>();
        assert_eq!(found, [(2, concat!("TO", "DO"))]);
    }
}
