//! `openapi`: the checked-in document is what the server says of itself.

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The document, reviewed and never edited by hand.
pub(crate) const DOCUMENT: &str = "openapi/wardkey.json";

pub(crate) fn write() -> Result<()> {
    let document = ask_server()?;
    fs::write(DOCUMENT, document).with_context(|| format!("cannot write {DOCUMENT}"))?;
    println!("{DOCUMENT} is written");
    Ok(())
}

pub(crate) fn check() -> Result<()> {
    let said = ask_server()?;
    let written = fs::read_to_string(DOCUMENT).with_context(|| format!("cannot read {DOCUMENT}"))?;
    if let Some(difference) = first_difference(&written, &said) {
        bail!(
            "{DOCUMENT} is not what the server says:\n{difference}\nwrite it anew with `cargo xtask openapi`"
        );
    }
    println!("{DOCUMENT} is what the server says");
    Ok(())
}

fn ask_server() -> Result<String> {
    process::capture(process::cargo().args([
        "run",
        "--quiet",
        "--package",
        "wardkey-server",
        "--",
        "openapi",
    ]))
}

fn first_difference(written: &str, said: &str) -> Option<String> {
    if written == said {
        return None;
    }
    let lines = written.lines().zip(said.lines()).enumerate();
    Some(match lines.into_iter().find(|(_, (written, said))| written != said) {
        Some((index, (written, said))) => {
            format!("line {0}: file   {written}\nline {0}: server {said}", index + 1)
        }
        None => format!(
            "the file has {} lines, the server's answer {}",
            written.lines().count(),
            said.lines().count()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_difference_is_shown_with_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        let difference = first_difference("a\nb\n", "a\nc\n").unwrap();
        assert_eq!(difference, "line 2: file   b\nline 2: server c");
        assert!(first_difference("a\n", "a\nb\n").unwrap().contains("1 lines"));
    }
}
