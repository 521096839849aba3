//! What is typed at a command, or piped into it.

use std::io::{self, BufRead as _, IsTerminal as _, Stdin, Write as _};

use anyhow::{Context as _, ensure};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// A new password: asked for twice on a terminal, where it is not shown; else the first line of standard input.
///
/// # Errors
/// If there is none, or the two differ.
pub(super) fn read_new_password() -> anyhow::Result<Zeroizing<String>> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read_line(&input);
    }
    let first = ask(&input, "New password: ")?;
    ensure!(ask(&input, "The same again: ")? == first, "the two passwords differ");
    Ok(first)
}

fn ask(input: &Stdin, question: &str) -> anyhow::Result<Zeroizing<String>> {
    let mut says = io::stderr();
    write!(says, "{question}")?;
    says.flush()?;
    let hidden = Hidden::on(input)?;
    let line = read_line(input);
    drop(hidden);
    // The line end that was typed was not shown either.
    writeln!(says)?;
    line
}

/// A line without its end.
fn read_line(input: &Stdin) -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    input.lock().read_line(&mut line).context("the password cannot be read from standard input")?;
    let length = line.trim_end_matches(['\n', '\r']).len();
    line.truncate(length);
    ensure!(!line.is_empty(), "no password came over standard input");
    Ok(line)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Hidden<'t> {
    terminal: &'t Stdin,
    before: Termios,
}

impl<'t> Hidden<'t> {
    fn on(terminal: &'t Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}
